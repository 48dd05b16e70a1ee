//! The flow layer from the outside: hand-made packets in, events out.

mod budget;
mod bypassed;
mod fragments;
mod lab;
mod predicted;
mod streams;
mod table;
mod tcp;
mod terminate;
mod together;
mod udp;
mod wanted;
mod weirds;
