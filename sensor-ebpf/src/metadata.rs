//! What the XDP program writes in front of a frame that it redirects.

/// 16 bytes directly before the frame, in host byte order. A driver without metadata room leaves them out, hence the magic.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// [`Metadata::MAGIC`]: anything else is not ours.
    pub magic: u32,
    /// [`Decision::hash`](crate::Decision::hash): of the quoted packet's addresses for an ICMP error, else of the outermost ones.
    pub hash: u32,
    /// `CLOCK_MONOTONIC` when the program saw the frame, in nanoseconds.
    pub ktime: u64,
}

const _: () =
    assert!(size_of::<Metadata>() == Metadata::SIZE && Metadata::SIZE <= 32 && Metadata::SIZE.is_multiple_of(4));

impl Metadata {
    /// "PRV" and the version of this layout.
    pub const MAGIC: u32 = 0x5052_5602;
    /// Bytes in front of the frame; the kernel wants a multiple of 4, and at most 32 before kernel 6.10.
    pub const SIZE: usize = 16;

    /// The block for a frame.
    #[inline(always)]
    pub const fn new(hash: u32, ktime: u64) -> Self {
        Metadata { magic: Self::MAGIC, hash, ktime }
    }

    /// The block from the bytes in front of a frame, or `None` when they are not ours.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk()?;
        let ours = u32::from_ne_bytes(*magic) == Self::MAGIC;
        ours.then_some(Metadata::new(u32::from_ne_bytes(*hash), u64::from_ne_bytes(rest.try_into().ok()?)))
    }
}
