//! The kernel object's entry; on the host an empty program.
fn main() {}
