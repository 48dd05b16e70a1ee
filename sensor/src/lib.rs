//! Portreeve: a passive network sensor for the services that still speak in the clear.
//!
//! Four layers, one direction: [`capture`] (frames), [`flow`] (packets, bytes), [`analyzers`] (events), [`policy`] (records).

pub mod analyzers;
pub mod capture;
pub mod collector;
pub mod config;
pub mod error;
pub mod event;
pub mod flow;
pub mod kernel;
pub mod nic;
pub mod outbox;
pub mod policy;
pub mod record;
pub mod stats;
pub mod summary;
pub mod sys;
pub mod text;
pub mod time;
