//! What the named sets are made of: networks, ports, rows of them, and tables from one of them to a text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use smallvec::SmallVec;

use super::super::ports::PortSpec;
use crate::flow::key::Transport;

/// A host or a prefix, IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Net(IpNet);

impl Net {
    /// Whether the address is in it.
    pub fn contains(self, addr: IpAddr) -> bool {
        self.0.contains(&addr)
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = match text.parse::<IpAddr>() {
            Ok(addr) => Ok(IpNet::from(addr)),
            Err(_) => text.parse::<IpNet>(),
        };
        net.map(|net| Net(net.trunc())).map_err(|_| {
            format!("`{text}` is neither an address nor a prefix: write `10.0.0.1`, `10.0.0.0/8` or `2001:db8::/32`")
        })
    }
}

impl TryFrom<String> for Net {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Values by network, of IPv4 and of IPv6. Looked up by address: a binary search per prefix length that occurs, the longest first.
#[derive(Clone, Debug)]
pub struct NetTable<V> {
    families: [Vec<Prefixes<V>>; 2],
}

/// The networks of one prefix length, in order.
#[derive(Clone, Debug)]
struct Prefixes<V> {
    length: u8,
    nets: Vec<(u128, V)>,
}

impl<V> Default for NetTable<V> {
    fn default() -> Self {
        NetTable { families: [Vec::new(), Vec::new()] }
    }
}

impl<V> NetTable<V> {
    /// The value of the longest prefix that has the address.
    pub fn get(&self, addr: IpAddr) -> Option<&V> {
        self.all(addr).next()
    }

    /// Whether a prefix has the address.
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.get(addr).is_some()
    }

    /// The values of all prefixes that have the address, the longest first.
    pub fn all(&self, addr: IpAddr) -> impl Iterator<Item = &V> {
        let [v4, v6] = &self.families;
        let family = if addr.is_ipv4() { v4 } else { v6 };
        family.iter().filter_map(move |prefixes| prefixes.get(addr))
    }

    /// The value of a network; if it has none yet, `value`.
    fn entry(&mut self, Net(net): Net, value: impl FnOnce() -> V) -> &mut V {
        let [v4, v6] = &mut self.families;
        let (family, length) = (if net.addr().is_ipv4() { v4 } else { v6 }, net.prefix_len());
        let place = family.binary_search_by(|prefixes| length.cmp(&prefixes.length)).unwrap_or_else(|place| {
            family.insert(place, Prefixes { length, nets: Vec::new() });
            place
        });
        let nets = &mut family[place].nets;
        let place = nets.binary_search_by_key(&bits(net.addr(), length), |(net, _)| *net).unwrap_or_else(|place| {
            nets.insert(place, (bits(net.addr(), length), value()));
            place
        });
        &mut nets[place].1
    }
}

impl<V> Prefixes<V> {
    fn get(&self, addr: IpAddr) -> Option<&V> {
        let place = self.nets.binary_search_by_key(&bits(addr, self.length), |(net, _)| *net).ok()?;
        self.nets.get(place).map(|(_, value)| value)
    }
}

/// The first bits of an address, from the left.
fn bits(addr: IpAddr, length: u8) -> u128 {
    let bits = match addr {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    bits & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

/// `set[subnet]`.
pub type NetSet = NetTable<()>;

impl FromIterator<Net> for NetSet {
    fn from_iter<I: IntoIterator<Item = Net>>(nets: I) -> Self {
        let mut table = NetTable::default();
        for net in nets {
            table.entry(net, || ());
        }
        table
    }
}

impl<'de> Deserialize<'de> for NetSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Vec::<Net>::deserialize(from).map(|nets| nets.into_iter().collect())
    }
}

/// Rows that begin with a network: `set[addr, ...]`.
#[derive(Clone, Debug)]
pub struct NetRows<V>(NetTable<Vec<V>>);

impl<V> Default for NetRows<V> {
    fn default() -> Self {
        NetRows(NetTable::default())
    }
}

impl<V> NetRows<V> {
    /// Whether a row has the address, and a rest that `fits`.
    pub fn any(&self, addr: IpAddr, mut fits: impl FnMut(&V) -> bool) -> bool {
        self.0.all(addr).any(|rows| rows.iter().any(&mut fits))
    }

    /// The rest of the first row that has the address, and `fits`.
    pub fn find(&self, addr: IpAddr, mut fits: impl FnMut(&V) -> bool) -> Option<&V> {
        self.0.all(addr).find_map(|rows| rows.iter().find(|rest| fits(rest)))
    }

    fn add(&mut self, net: Net, rest: V) {
        self.0.entry(net, Vec::new).push(rest);
    }
}

/// The rest of a row, and how it is read together with its network.
pub trait RowRest: Sized {
    /// The row as it is written.
    type Row: for<'de> Deserialize<'de>;

    /// Its network, and the rest.
    fn split(row: Self::Row) -> (Net, Self);
}

macro_rules! row_rest {
    ($($rest:ty => $row:ty : |$r:ident| $split:expr;)+) => {
        $(impl RowRest for $rest {
            type Row = $row;

            fn split($r: $row) -> (Net, Self) {
                $split
            }
        })+
    };
}

row_rest! {
    Net => (Net, Net): |r| r;
    PortSpec => (Net, PortSpec): |r| r;
    String => (Net, String): |r| r;
    (Net, String) => (Net, Net, String): |r| (r.0, (r.1, r.2));
    (String, String) => (Net, String, String): |r| (r.0, (r.1, r.2));
    (Net, PortSpec) => (Net, Net, PortSpec): |r| (r.0, (r.1, r.2));
}

impl<'de, V: RowRest> Deserialize<'de> for NetRows<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut rows = NetRows::default();
        for row in Vec::<V::Row>::deserialize(from)? {
            let (net, rest) = V::split(row);
            rows.add(net, rest);
        }
        Ok(rows)
    }
}

/// `set[string]` of user names, in which case does not count.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(from = "BTreeSet<String>")]
pub struct Ids {
    lower: BTreeSet<Vec<u8>>,
    /// By the first letter, in whatever case: which lengths there are, as bits. Most names that are asked about have none of them.
    lengths: [u64; 32],
}

impl Ids {
    /// Whether the name is one of them.
    pub fn contains(&self, name: &[u8]) -> bool {
        let (letter, length) = shape(name);
        if self.lengths.get(letter).is_none_or(|lengths| lengths & length == 0) {
            return false;
        }
        let mut lower = SmallVec::<[u8; 32]>::from_slice(name);
        lower.make_ascii_lowercase();
        self.lower.contains(lower.as_slice())
    }
}

impl From<BTreeSet<String>> for Ids {
    fn from(names: BTreeSet<String>) -> Self {
        let lower = BTreeSet::from_iter(names.iter().map(|name| name.to_ascii_lowercase().into_bytes()));
        let mut lengths = [0; 32];
        for (letter, length) in lower.iter().map(|name| shape(name)) {
            lengths[letter] |= length;
        }
        Ids { lower, lengths }
    }
}

/// What a name shares with itself in any case: its first letter, and a bit for its length.
fn shape(name: &[u8]) -> (usize, u64) {
    let letter = name.first().map_or(0, |letter| letter & 31);
    (letter.into(), 1 << name.len().min(63))
}

/// `set[port]`: the ports of each transport, in order.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(from = "BTreeSet<PortSpec>")]
pub struct PortSet([Vec<u16>; 2]);

impl PortSet {
    /// Whether the port is in it.
    #[inline]
    pub fn contains(&self, transport: Transport, port: u16) -> bool {
        self.0[transport as usize].binary_search(&port).is_ok()
    }
}

impl From<BTreeSet<PortSpec>> for PortSet {
    fn from(specs: BTreeSet<PortSpec>) -> Self {
        let of = |wanted| Vec::from_iter(specs.iter().filter(|spec| spec.0.0 == wanted).map(|spec| spec.0.1));
        PortSet([Transport::Tcp, Transport::Udp].map(of))
    }
}

/// `table[port] of string` and the like. In `[policy.remove]` it is written as a list of keys.
#[derive(Clone, Debug)]
pub struct Table<K, V>(pub BTreeMap<K, V>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table(BTreeMap::new())
    }
}

impl<V> Table<PortSpec, V> {
    /// What stands for the port.
    pub fn of(&self, transport: Transport, port: u16) -> Option<&V> {
        self.0.get(&PortSpec((transport, port)))
    }
}

impl<'de, K, V> Deserialize<'de> for Table<K, V>
where
    K: FromStr<Err: fmt::Display> + Ord,
    V: Deserialize<'de> + Default,
{
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Entries(PhantomData)).map(Table)
    }
}

impl<'de, V: Deserialize<'de> + Default> Deserialize<'de> for NetTable<V>
where
    V: NamesAReason,
{
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let entries: Vec<(NetKey, V)> = from.deserialize_any(Entries(PhantomData))?;
        let mut table = NetTable::default();
        for (NetKey(net), value) in entries {
            table.entry(net, || value);
        }
        Ok(table)
    }
}

/// Tables by network whose values are texts; a [`NetSet`] is read otherwise.
pub trait NamesAReason {}

impl NamesAReason for String {}

struct NetKey(Net);

impl FromStr for NetKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(NetKey)
    }
}

/// Reads a TOML table with keys of any kind, or a list of keys.
struct Entries<C, K, V>(PhantomData<(C, K, V)>);

impl<'de, C, K, V> Visitor<'de> for Entries<C, K, V>
where
    C: FromIterator<(K, V)>,
    K: FromStr<Err: fmt::Display>,
    V: Deserialize<'de> + Default,
{
    type Value = C;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<C, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = key.parse().map_err(serde::de::Error::custom)?;
            entries.push((key, map.next_value()?));
        }
        Ok(entries.into_iter().collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<C, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = seq.next_element::<String>()? {
            entries.push((key.parse().map_err(serde::de::Error::custom)?, V::default()));
        }
        Ok(entries.into_iter().collect())
    }
}
