//! Portreeve's chores: `cargo xtask <command>`.

fn main() {}
