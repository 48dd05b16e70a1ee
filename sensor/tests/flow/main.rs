//! The flow layer from the outside: hand-made packets in, events out.

mod lab;
mod tcp;
mod udp;
