//! What every line about a connection says of it, put together once: most connections have several lines.

use super::community::{CommunityId, community_id};
use super::json;
use super::line::Line;
use crate::record::{ConnId, Uid};

/// Connections whose identity is remembered.
const REMEMBERED: usize = 8192;
/// The longest columns: a name of 18 characters, addresses of IPv6, and ports of five digits, each with its name.
const COLUMNS: usize = 176;

/// What lines say of a connection.
#[derive(Clone, Debug)]
pub struct Identity {
    uid: Uid,
    community_id: CommunityId,
    columns: [u8; COLUMNS],
    length: u8,
}

impl Identity {
    /// That of this connection, put together in this line.
    pub fn new(id: &ConnId, line: &mut Line) -> Self {
        line.clear();
        json::connection(id, line);
        let mut columns = [0; COLUMNS];
        columns.iter_mut().zip(line.as_bytes()).for_each(|(place, byte)| *place = *byte);
        Identity { uid: id.uid, community_id: community_id(&id.key), columns, length: line.len() as u8 }
    }

    /// Its columns in JSON, each with its comma in front.
    pub fn columns(&self) -> &[u8] {
        self.columns.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Its Community ID.
    pub fn community_id(&self) -> &[u8] {
        &self.community_id
    }
}

/// The identities of the connections that were logged lately.
#[derive(Debug)]
pub struct Identities {
    recent: Box<[Option<Identity>]>,
    line: Line,
}

impl Identities {
    /// An empty memory.
    pub fn new() -> Self {
        Identities { recent: vec![None; REMEMBERED].into_boxed_slice(), line: Line::default() }
    }

    /// That of this connection.
    pub fn of(&mut self, id: &ConnId) -> &Identity {
        let known = &mut self.recent[id.uid.0 as usize % REMEMBERED];
        known.take_if(|known| known.uid != id.uid);
        known.get_or_insert_with(|| Identity::new(id, &mut self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples;

    #[test]
    fn each_connection_has_its_own_and_the_longest_fits() {
        let mut id = samples::id();
        (id.key.orig_h, id.key.resp_h) = ("1000:1000:1000:1000:1000:1000:1000:1000".parse().unwrap(), id.key.orig_h);
        (id.key.orig_p, id.key.resp_p) = (65_535, 65_535);
        let mut identities = Identities::new();
        for uid in [(1 << 96) - 1, REMEMBERED as u128 - 1] {
            id.uid = Uid(uid);
            let expected = format!(
                r#","uid":"{}","id.orig_h":"{}","id.orig_p":65535,"id.resp_h":"{}","id.resp_p":65535"#,
                id.uid, id.key.orig_h, id.key.resp_h
            );
            assert_eq!(identities.of(&id).columns(), expected.as_bytes());
            assert_eq!(identities.of(&id).community_id(), community_id(&id.key));
            id.key.resp_h = id.key.orig_h;
        }
    }
}
