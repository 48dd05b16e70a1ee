//! Capture files from the outside: files written here in, frames and complaints out.

mod damage;
mod filter;
mod formats;
mod inputs;
mod lab;
mod oracle;
mod random;
mod shards;
mod write;
