//! Everything a user can set: settings, limits, policy sets.

pub mod limits;
