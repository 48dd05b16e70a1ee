//! The harness of the integration tests: conversations written as text become frames, and what the sensor made of them becomes lines.
//!
//! [`case`] finds the folders under `tests/cases`, [`talk`] reads their conversations, [`play`] turns those into packets and
//! [`encode`] into frames, [`pcap`] writes them to a file. `README.md` beside this crate explains the format to its authors.

pub mod case;
pub mod encode;
pub mod expect;
pub mod host;
pub mod inject;
pub mod lab;
pub mod machine;
pub mod pcap;
pub mod play;
pub mod process;
pub mod random;
pub mod replay;
pub mod rpc;
pub mod sensor;
pub mod skip;
pub mod ssh;
pub mod talk;
pub mod tap;
pub mod tapped;
pub mod terminal;
