//! Expectations and bypasses in the kernel's maps: handles for the workers, and the guard bits in front of the maps.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use aya::maps::{Array, HashMap, Map, MapData, MapError};
use aya::{Ebpf, Pod};
use portreeve_ebpf::tables::{BYPASS_SLOTS, bypass_slot};
use portreeve_ebpf::{
    Address, BypassReason, Bypassed, Connection, Endpoint, Expectation, PortWord, Ports, names, pair_hash,
};

use super::{Chain, Plan, REBUILD, Wire};
use crate::error::{Error, Result};

/// Expectations and bypasses in the kernel. Each thread has its own; updates take no lock.
pub struct KernelTables {
    shared: Shared,
    expectations: HashMap<MapData, Wire<Endpoint>, Wire<Expectation>>,
    ports: Array<MapData, Wire<PortWord>>,
    bypass: HashMap<MapData, Wire<Connection>, Wire<Bypassed>>,
    slots: Array<MapData, u64>,
}

impl KernelTables {
    /// Has the kernel capture an endpoint. When the table is full, the endpoint that was quiet longest gives way.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn expect(&mut self, endpoint: &Endpoint, expectation: Expectation) -> io::Result<()> {
        if insert_new(&mut self.expectations, *endpoint, expectation)? {
            return self.port(endpoint, 1);
        }
        self.expectations.insert(Wire(*endpoint), Wire(expectation), 0).map_err(io_error)
    }

    /// Ends an expectation; one that is not there is no error.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn forget(&mut self, endpoint: &Endpoint) -> io::Result<()> {
        if remove(&mut self.expectations, *endpoint)? { self.port(endpoint, -1) } else { Ok(()) }
    }

    /// Has the kernel count a connection's payload packets instead of delivering them. A second call changes nothing.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn bypass(&mut self, connection: &Connection, reason: BypassReason) -> io::Result<()> {
        if insert_new(&mut self.bypass, *connection, Bypassed::new(reason))? {
            self.slot(connection, 1)?;
        }
        Ok(())
    }

    /// The endpoint that stands for two hosts of which every segment that opens or closes a connection is wanted.
    pub fn company(&self, hosts: [Address; 2]) -> Endpoint {
        let [a, b] = hosts;
        Endpoint::company(pair_hash(self.shared.seed, a, b))
    }

    /// What the kernel has counted of a bypassed connection so far.
    pub fn bypassed(&self, connection: &Connection) -> Option<Bypassed> {
        self.bypass.get(&Wire(*connection), 0).ok().map(|Wire(entry)| entry)
    }

    /// Ends a bypass that was begun, and gives its last account; `None` if it has given way to newer ones.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn end_bypass(&mut self, connection: &Connection) -> io::Result<Option<Bypassed>> {
        let account = self.bypassed(connection);
        remove(&mut self.bypass, *connection)?;
        self.slot(connection, -1)?;
        Ok(account)
    }

    fn port(&mut self, endpoint: &Endpoint, change: i32) -> io::Result<()> {
        let index = PortWord::index(endpoint.transport(), endpoint.port);
        let watched = self.shared.ports.words().get(index as usize).map_or(0, |word| word.watched);
        let Self { shared, ports, .. } = self;
        shared.expected.change(index * 64 + u32::from(endpoint.port % 64), change, |index, expected| {
            ports.set(index, Wire(PortWord { watched, expected }), 0).map_err(io_error)
        })
    }

    fn slot(&mut self, connection: &Connection, change: i32) -> io::Result<()> {
        let [a, b] = connection.addresses;
        let slot = bypass_slot(pair_hash(self.shared.seed, a, b));
        let Self { shared, slots, .. } = self;
        shared.bypassed.change(slot, change, |index, word| slots.set(index, word, 0).map_err(io_error))
    }
}

/// What all handles share.
#[derive(Clone)]
pub(super) struct Shared {
    seed: u64,
    ports: Arc<Ports>,
    expected: Arc<Guard>,
    bypassed: Arc<Guard>,
    maps: Arc<Maps>,
}

struct Maps {
    expectations: MapData,
    ports: MapData,
    bypass: MapData,
    slots: MapData,
}

impl Shared {
    pub(super) fn new(ebpf: &mut Ebpf, plan: &Plan) -> Result<Self> {
        let maps = Maps {
            expectations: map_data(ebpf, names::EXPECTATIONS)?,
            ports: map_data(ebpf, names::PORTS)?,
            bypass: map_data(ebpf, names::BYPASS)?,
            slots: map_data(ebpf, names::BYPASS_SLOTS)?,
        };
        let shared = Shared {
            seed: plan.options.seed,
            ports: Arc::new(plan.ports.clone()),
            expected: Arc::new(Guard::new(plan.ports.words().iter().map(|word| word.expected))),
            bypassed: Arc::new(Guard::new((0..BYPASS_SLOTS / 64).map(|_| 0))),
            maps: Arc::new(maps),
        };
        let mut handle = shared.open()?;
        for (index, word) in (0..).zip(plan.ports.words()) {
            if *word != PortWord::default() {
                let failed = |why| Error::new("tell the kernel the watched ports", Chain(&why));
                handle.ports.set(index, Wire(*word), 0).map_err(failed)?;
            }
        }
        Ok(shared)
    }

    pub(super) fn open(&self) -> Result<KernelTables> {
        let failed = |why: MapError| Error::new("open the kernel's tables", Chain(&why));
        Ok(KernelTables {
            shared: self.clone(),
            expectations: again(&self.maps.expectations).and_then(HashMap::try_from).map_err(failed)?,
            ports: again(&self.maps.ports).and_then(Array::try_from).map_err(failed)?,
            bypass: again(&self.maps.bypass).and_then(HashMap::try_from).map_err(failed)?,
            slots: again(&self.maps.slots).and_then(Array::try_from).map_err(failed)?,
        })
    }
}

/// Bits in a kernel array that several threads set and clear, each as often as there are entries behind it.
///
/// The kernel's copy is written whole words at a time, so a thread may write a word that another has changed since. Whoever writes
/// looks again afterwards and writes again if so; the last writer leaves the right word.
struct Guard {
    users: Box<[AtomicU32]>,
    words: Box<[AtomicU64]>,
}

impl Guard {
    /// With these words at first; what is set in them stays set.
    fn new(words: impl Iterator<Item = u64> + Clone) -> Self {
        let bits = |word: u64| (0..64).map(move |bit| AtomicU32::new(u32::from(word >> bit & 1 != 0)));
        Guard { users: words.clone().flat_map(bits).collect(), words: words.map(AtomicU64::new).collect() }
    }

    fn change(&self, bit: u32, by: i32, mut write: impl FnMut(u32, u64) -> io::Result<()>) -> io::Result<()> {
        let (Some(users), Some(word)) = (self.users.get(bit as usize), self.words.get(bit as usize / 64)) else {
            return Ok(());
        };
        let before = users.fetch_add(by as u32, Ordering::SeqCst);
        if (before != 0) == (before.wrapping_add_signed(by) != 0) {
            return Ok(());
        }
        let mask = 1 << (bit % 64);
        loop {
            let wanted = users.load(Ordering::SeqCst) != 0;
            let _ =
                if wanted { word.fetch_or(mask, Ordering::SeqCst) } else { word.fetch_and(!mask, Ordering::SeqCst) };
            let written = word.load(Ordering::SeqCst);
            write(bit / 64, written)?;
            if (users.load(Ordering::SeqCst) != 0) == wanted && word.load(Ordering::SeqCst) == written {
                return Ok(());
            }
        }
    }
}

fn map_data(ebpf: &mut Ebpf, name: &str) -> Result<MapData> {
    match ebpf.take_map(name) {
        Some(Map::Array(data) | Map::LruHashMap(data)) => Ok(data),
        _ => Err(Error::new(format!("find {name} in the kernel object"), "it is not there").hint(REBUILD)),
    }
}

fn again(data: &MapData) -> std::result::Result<Map, MapError> {
    let fd = data.fd().as_fd().try_clone_to_owned().map_err(MapError::IoError)?;
    Map::from_map_data(MapData::from_fd(fd)?)
}

/// Inserts what is not there yet, and says whether it was not.
fn insert_new<K, V>(map: &mut HashMap<MapData, Wire<K>, Wire<V>>, key: K, value: V) -> io::Result<bool>
where
    Wire<K>: Pod,
    Wire<V>: Pod,
{
    const BPF_NOEXIST: u64 = 1;
    match map.insert(Wire(key), Wire(value), BPF_NOEXIST).map_err(io_error) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        result => result.map(|()| true),
    }
}

/// Whether the entry was there.
fn remove<K, V>(map: &mut HashMap<MapData, Wire<K>, Wire<V>>, key: K) -> io::Result<bool>
where
    Wire<K>: Pod,
    Wire<V>: Pod,
{
    match map.remove(&Wire(key)).map_err(io_error) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result.map(|()| true),
    }
}

fn io_error(why: MapError) -> io::Error {
    match why {
        MapError::KeyNotFound | MapError::ElementNotFound => io::ErrorKind::NotFound.into(),
        MapError::SyscallError(aya::sys::SyscallError { io_error, .. }) | MapError::IoError(io_error) => io_error,
        other => io::Error::other(other),
    }
}
