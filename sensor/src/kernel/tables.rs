//! Expectations and bypasses in the kernel's maps: handles for the workers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use aya::maps::{HashMap, Map, MapData, MapError};
use aya::{Ebpf, Pod};
use nix::errno::Errno;
use portreeve_ebpf::{Address, BypassReason, Bypassed, Connection, Endpoint, Expectation, names, pair_hash};

use super::guards::{Bit, Guards};
use super::{Chain, Plan, REBUILD, Wire};
use crate::error::{Error, Result};

/// Expectations and bypasses in the kernel. Each thread has its own; updates take no lock.
pub struct KernelTables {
    shared: Shared,
    expectations: HashMap<MapData, Wire<Endpoint>, Wire<Expectation>>,
    bypass: HashMap<MapData, Wire<Connection>, Wire<Bypassed>>,
}

impl KernelTables {
    /// Has the kernel capture an endpoint. When the table is full, the endpoint that was quiet longest gives way.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn expect(&mut self, endpoint: &Endpoint, expectation: Expectation) -> io::Result<()> {
        if insert_new(&mut self.expectations, *endpoint, expectation)? {
            self.shared.guards.set(Bit::expected(endpoint));
            return Ok(());
        }
        self.expectations.insert(Wire(*endpoint), Wire(expectation), 0).map_err(io_error)
    }

    /// Ends an expectation; one that is not there is no error.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn forget(&mut self, endpoint: &Endpoint) -> io::Result<()> {
        match self.expectations.remove(&Wire(*endpoint)).map_err(io_error) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result?,
        }
        self.shared.guards.clear(Bit::expected(endpoint));
        Ok(())
    }

    /// Has the kernel count a connection's payload packets instead of delivering them. A second call changes nothing.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn bypass(&mut self, connection: &Connection, reason: BypassReason) -> io::Result<()> {
        if insert_new(&mut self.bypass, *connection, Bypassed::new(reason))? {
            self.shared.guards.set(self.slot(connection));
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
        let account = take(self.shared.maps.bypass.fd().as_fd(), connection)?;
        self.shared.guards.clear(self.slot(connection));
        Ok(account)
    }

    fn slot(&self, connection: &Connection) -> Bit {
        let [a, b] = connection.addresses;
        Bit::bypassed(pair_hash(self.shared.seed, a, b))
    }
}

/// What all handles share.
#[derive(Clone)]
pub(super) struct Shared {
    seed: u64,
    guards: Arc<Guards>,
    maps: Arc<Maps>,
}

struct Maps {
    expectations: MapData,
    bypass: MapData,
    /// The program of host mode is loaded later, and finds its maps by descriptors that must be open then.
    guards: MapData,
}

impl Shared {
    pub(super) fn new(ebpf: &mut Ebpf, plan: &Plan) -> Result<Self> {
        let maps = Maps {
            expectations: map_data(ebpf, names::EXPECTATIONS)?,
            bypass: map_data(ebpf, names::BYPASS)?,
            guards: map_data(ebpf, names::GUARDS)?,
        };
        let guards = Guards::new(maps.guards.fd(), &plan.ports)
            .map_err(|why| Error::new("share the watched ports with the kernel program", why))?;
        Ok(Shared { seed: plan.options.seed, guards: Arc::new(guards), maps: Arc::new(maps) })
    }

    pub(super) fn open(&self) -> Result<KernelTables> {
        let failed = |why: MapError| Error::new("open the kernel's tables", Chain(&why));
        Ok(KernelTables {
            shared: self.clone(),
            expectations: again(&self.maps.expectations).and_then(HashMap::try_from).map_err(failed)?,
            bypass: again(&self.maps.bypass).and_then(HashMap::try_from).map_err(failed)?,
        })
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

/// Takes a bypass out of its map with one call (Linux 5.14), which aya has for queues only.
fn take(map: BorrowedFd<'_>, connection: &Connection) -> io::Result<Option<Bypassed>> {
    const BPF_MAP_LOOKUP_AND_DELETE_ELEM: libc::c_long = 21;
    /// What `union bpf_attr` is for calls about an element, where pointers have 64 bits: descriptor, key, value and flags.
    #[repr(C)]
    struct Attributes(libc::c_int, *const Connection, *mut Bypassed, u64);
    let mut account = Bypassed::default();
    let attributes = Attributes(map.as_raw_fd(), connection, &raw mut account, 0);
    // SAFETY: the structure is as long as is said and has no padding that the kernel reads; key and value are of the map's own types, and
    // live through the call.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_MAP_LOOKUP_AND_DELETE_ELEM, &raw const attributes, size_of_val(&attributes))
    };
    match Errno::result(result) {
        Ok(_) => Ok(Some(account)),
        Err(Errno::ENOENT) => Ok(None),
        Err(why) => Err(why.into()),
    }
}

fn io_error(why: MapError) -> io::Error {
    match why {
        MapError::KeyNotFound | MapError::ElementNotFound => io::ErrorKind::NotFound.into(),
        MapError::SyscallError(aya::sys::SyscallError { io_error, .. }) | MapError::IoError(io_error) => io_error,
        other => io::Error::other(other),
    }
}
