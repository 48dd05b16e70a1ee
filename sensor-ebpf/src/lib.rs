//! The contract between the kernel programs and the sensor.
#![no_std]
