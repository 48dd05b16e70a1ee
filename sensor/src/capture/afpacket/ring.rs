//! The memory that the kernel writes frames to: blocks of frames, which change hands whole (`TPACKET_V3`).

use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use smallvec::SmallVec;

use crate::capture::TOGETHER;
use crate::sys::{PacketSocket, set_socket_option};
use crate::time::Timestamp;

/// Bytes of a block; a frame, of however many merged segments, fits in one.
const BLOCK: usize = 1 << 20;
/// A block that is not full is handed over after so many milliseconds.
pub(super) const RETIRE_MILLIS: u32 = 5;
/// Room in front of each frame, into which the addresses move when the VLAN tag is put back between them and the EtherType.
const TAG_ROOM: u32 = 4;
const ADDRESSES: usize = 12;
/// `struct sockaddr_ll` follows the frame's header, aligned; its packet type stands at this offset.
const PACKET_TYPE: usize = 10;

/// One frame in the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub at: Timestamp,
    pub bytes: &'a [u8],
    pub wire_len: usize,
    /// Sent by this machine, not received.
    pub outgoing: bool,
}

/// The ring of one socket.
#[derive(Debug)]
pub(super) struct Ring {
    base: NonNull<u8>,
    blocks: usize,
    block: usize,
    /// Where in the block the next frame is, and how many are left; `None` before the block has been looked at.
    cursor: Option<(usize, u32)>,
}

// SAFETY: the mapping belongs to this value alone, and nothing in it refers to the thread that made it.
unsafe impl Send for Ring {}

impl Ring {
    /// Gives the socket a ring of about `bytes`.
    pub(super) fn new(socket: &PacketSocket, bytes: usize) -> io::Result<Self> {
        let blocks = (bytes / BLOCK).max(2);
        set_socket_option(
            socket,
            libc::SOL_PACKET,
            libc::PACKET_VERSION,
            &(libc::tpacket_versions::TPACKET_V3 as i32),
        )?;
        set_socket_option(socket, libc::SOL_PACKET, libc::PACKET_RESERVE, &TAG_ROOM)?;
        let frame = 2048;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: u32::try_from(blocks).map_err(io::Error::other)?,
            tp_frame_size: frame,
            tp_frame_nr: u32::try_from(blocks.saturating_mul(BLOCK) / frame as usize).map_err(io::Error::other)?,
            tp_retire_blk_tov: RETIRE_MILLIS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set_socket_option(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let length = blocks.saturating_mul(BLOCK);
        // SAFETY: a new mapping at an address of the kernel's choice; the result is checked before use.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                socket.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("the ring was mapped at address 0"))?;
        Ok(Ring { base, blocks, block: 0, cursor: None })
    }

    /// Whether a frame is waiting.
    pub(super) fn has_frames(&self) -> bool {
        self.cursor.is_some() || self.is_ours()
    }

    /// Shows up to `limit` frames of the block at hand, a few at a time, and gives the block back after its last. Returns how many it
    /// showed.
    pub(super) fn show(&mut self, limit: usize, mut on_packets: impl FnMut(&[Packet<'_>])) -> usize {
        if self.cursor.is_none() && !self.open_block() {
            return 0;
        }
        let mut shown = 0;
        while let Some((mut offset, mut left)) = self.cursor {
            if left == 0 {
                self.close_block();
                break;
            }
            if shown == limit {
                break;
            }
            let mut together = SmallVec::<[Packet<'_>; TOGETHER]>::new();
            let until = limit.min(shown + TOGETHER);
            while left > 0 && shown < until {
                // SAFETY: `offset` goes on by each step; a step of 0 is the last.
                let (packet, step) = unsafe { self.packet(offset) };
                shown += 1;
                together.extend(packet);
                // The last frame's step is 0; a step that led outside would end the block.
                offset = offset.saturating_add(step);
                left = if step == 0 || offset >= BLOCK { 0 } else { left - 1 };
            }
            on_packets(&together);
            drop(together);
            self.cursor = Some((offset, left));
        }
        shown
    }

    fn status(&self) -> &AtomicU32 {
        let offset = std::mem::offset_of!(libc::tpacket_block_desc, hdr);
        let start = self.block_start().wrapping_add(offset).cast::<u32>();
        // SAFETY: the block's header is inside the mapping and aligned; both sides use this word to hand the block over, and the
        // reference lives no longer than the ring.
        unsafe { AtomicU32::from_ptr(start) }
    }

    fn is_ours(&self) -> bool {
        self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    fn open_block(&mut self) -> bool {
        if !self.is_ours() {
            return false;
        }
        // SAFETY: the header lies at the start of the block, aligned; the block is ours, so the kernel does not write to it.
        let header = unsafe { self.block_start().cast::<libc::tpacket_block_desc>().read() };
        // SAFETY: for this version of the ring the union's only member is this one.
        let header = unsafe { header.hdr.bh1 };
        self.cursor = Some((header.offset_to_first_pkt as usize, header.num_pkts));
        true
    }

    fn close_block(&mut self) {
        self.cursor = None;
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.block = (self.block + 1) % self.blocks;
    }

    fn block_start(&self) -> *mut u8 {
        // `block` is less than the number of blocks, so this stays inside the mapping.
        self.base.as_ptr().wrapping_add(self.block * BLOCK)
    }

    /// The frame at `offset` of the block at hand, and the distance to the next. `None` if the header points outside the block, or into
    /// the next frame: the kernel does not do that, but the memory's safety should not hang on it.
    ///
    /// # Safety
    /// While packets of the block are borrowed, every offset is that of the last one and the distance that was told with it, or more.
    unsafe fn packet(&self, offset: usize) -> (Option<Packet<'_>>, usize) {
        const HEADER: usize = size_of::<libc::tpacket3_hdr>();
        let address = HEADER.next_multiple_of(libc::TPACKET_ALIGNMENT);
        if offset.saturating_add(address).saturating_add(PACKET_TYPE) >= BLOCK {
            return (None, 0);
        }
        let start = self.block_start().wrapping_add(offset);
        // SAFETY: the whole header is inside the block by the check above, and the block is ours.
        let header = unsafe { start.cast::<libc::tpacket3_hdr>().read_unaligned() };
        // SAFETY: as above.
        let kind = unsafe { start.wrapping_add(address + PACKET_TYPE).read() };
        let step = header.tp_next_offset as usize;
        let (mac, captured) = (header.tp_mac as usize, header.tp_snaplen as usize);
        let length = mac.saturating_add(captured);
        if offset.saturating_add(length) > BLOCK || (step != 0 && step < length) {
            return (None, step);
        }
        // SAFETY: inside the block, which is ours, and in front of the next frame, by the checks above: offsets grow, so this is the only
        // reference to these bytes, and it gives way to the packet's.
        let room = unsafe { slice::from_raw_parts_mut(start, length) };
        let first = put_tag_back(room, mac, &header);
        let bytes = room.get(first..).unwrap_or_default();
        let tag = bytes.len().saturating_sub(captured);
        let packet = Packet {
            at: Timestamp::from_parts(u64::from(header.tp_sec), header.tp_nsec),
            bytes,
            wire_len: (header.tp_len as usize).saturating_add(tag),
            outgoing: kind == libc::PACKET_OUTGOING,
        };
        (Some(packet), step)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, which nothing refers to any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.blocks * BLOCK) };
    }
}

/// The kernel takes the outer VLAN tag off; here it comes back to its place, so that decoding sees the frame as it was on the wire.
/// Returns where the frame begins.
fn put_tag_back(room: &mut [u8], mac: usize, header: &libc::tpacket3_hdr) -> usize {
    let to = mac.saturating_sub(TAG_ROOM as usize);
    let after_header = size_of::<libc::tpacket3_hdr>() + size_of::<libc::sockaddr_ll>();
    if header.tp_status & libc::TP_STATUS_VLAN_VALID == 0 || to < after_header || room.len() < mac + ADDRESSES {
        return mac;
    }
    let kind = if header.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0 { header.hv1.tp_vlan_tpid } else { 0x8100 };
    let [kind, tag] = [kind.to_be_bytes(), (header.hv1.tp_vlan_tci as u16).to_be_bytes()];
    room.copy_within(mac..mac + ADDRESSES, to);
    if let Some(place) = room.get_mut(to + ADDRESSES..to + ADDRESSES + 4) {
        place.copy_from_slice(&[kind[0], kind[1], tag[0], tag[1]]);
    }
    to
}
