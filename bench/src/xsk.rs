//! A bare AF_XDP socket: the benchmarks' only place that knows xsk-rs. It receives with the least that can be done, or sends.
#![allow(unsafe_code, reason = "the AF_XDP door: memory shared with the kernel; every block says why it holds")]

use std::collections::VecDeque;
use std::io::Write;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, BorrowedFd};

use anyhow::{Context, Result, anyhow};
use portreeve::sys;
use xsk_rs::config::{BindFlags, FrameSize, LibxdpFlags, QueueSize, SocketConfig, UmemConfig};
use xsk_rs::{CompQueue, FillQueue, FrameDesc, RxQueue, Socket, TxQueue, Umem};

/// Bytes of a frame in memory, headroom included.
const FRAME_BYTES: u32 = 2048;
/// Size of the rings that are not used: they cannot be left out.
const UNUSED: u32 = 64;
/// Frames that are taken or sent together.
pub const BATCH: usize = 64;

/// A socket on one queue, with memory of its own.
pub struct BareSocket {
    rx: RxQueue,
    tx: TxQueue,
    fill: FillQueue,
    completion: CompQueue,
    umem: Umem,
    frames: usize,
    batch: Vec<FrameDesc>,
    /// Sending: frames that are not the kernel's.
    free: VecDeque<FrameDesc>,
}

/// What a socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// It receives, with rings of this depth.
    Receive(u32),
    /// It sends, with a ring of this depth.
    Send(u32),
}

impl BareSocket {
    /// Opens a socket: with zero copy where the driver can, otherwise the kernel copies.
    ///
    /// # Errors
    /// No AF_XDP on this interface, no privilege, no memory.
    pub fn open(interface: &str, queue: u32, what_for: Use) -> Result<Self> {
        sys::raise_memlock();
        Self::bind(interface, queue, what_for, BindFlags::XDP_ZEROCOPY)
            .or_else(|_| Self::bind(interface, queue, what_for, BindFlags::XDP_COPY))
            .with_context(|| format!("open an AF_XDP socket on {interface} queue {queue}"))
    }

    fn bind(interface: &str, queue: u32, what_for: Use, copy: BindFlags) -> Result<Self> {
        let (receive, send) = match what_for {
            Use::Receive(depth) => (depth, UNUSED),
            Use::Send(depth) => (UNUSED, depth),
        };
        let frames = receive.max(send);
        let config = UmemConfig::builder()
            .frame_size(FrameSize::new(FRAME_BYTES)?)
            .fill_queue_size(QueueSize::new(receive)?)
            .comp_queue_size(QueueSize::new(send)?)
            .build()?;
        let (umem, descs) = Umem::new(config, NonZeroU32::new(frames).context("no frames")?, false)?;
        let config = SocketConfig::builder()
            .rx_queue_size(QueueSize::new(receive)?)
            .tx_queue_size(QueueSize::new(send)?)
            .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
            .bind_flags(copy | BindFlags::XDP_USE_NEED_WAKEUP)
            .build();
        // SAFETY: libxdp loads no program, and this memory belongs to one socket only.
        let (tx, rx, rings) = unsafe { Socket::new(config, &umem, &interface.parse()?, queue) }?;
        let (mut fill, completion) = rings.ok_or_else(|| anyhow!("a socket came without its rings"))?;
        let free = if receive > send {
            // SAFETY: each frame of the memory once, and nobody refers to any.
            unsafe { fill.produce(&descs) };
            VecDeque::new()
        } else {
            descs.iter().copied().collect()
        };
        Ok(BareSocket {
            rx,
            tx,
            fill,
            completion,
            umem,
            frames: frames as usize,
            batch: vec![FrameDesc::default(); BATCH],
            free,
        })
    }

    /// The socket itself, for a socket map.
    pub fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the socket that is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.rx.fd().as_raw_fd()) }
    }

    /// Takes a batch, shows each frame, and gives all of them back. Returns how many there were.
    pub fn drain(&mut self, mut on_frame: impl FnMut(&[u8])) -> usize {
        // SAFETY: the ring belongs to this memory.
        let count = unsafe { self.rx.consume(&mut self.batch) };
        let Some(batch) = self.batch.get(..count) else { return 0 };
        for desc in batch {
            // SAFETY: the frame has just been taken out of the ring, and is given back below.
            on_frame(unsafe { self.umem.data(desc) }.contents());
        }
        let mut given = 0;
        while given < count {
            // SAFETY: the frames were taken above, each is given back once, and nothing refers to them any more.
            given += unsafe { self.fill.produce(batch.get(given..).unwrap_or_default()) };
        }
        if count > 0 && self.fill.needs_wakeup() {
            let _ = self.rx.poll(0);
        }
        count
    }

    /// Sleeps until there is a frame, at most so many milliseconds.
    pub fn wait(&mut self, millis: i32) {
        let _ = self.rx.poll(millis);
    }

    /// Frames that the kernel had to drop: no memory was given to it, the ring was full, a descriptor was wrong.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn losses(&self) -> Result<[(&'static str, u64); 3]> {
        let counts = self.rx.fd().xdp_statistics()?;
        Ok([
            ("fill_ring_empty", counts.rx_dropped()),
            ("rx_ring_full", counts.rx_ring_full()),
            ("invalid_descriptors", counts.rx_invalid_descs()),
        ])
    }

    /// How many frames can be put in now.
    pub fn room(&mut self) -> usize {
        self.reclaim();
        self.free.len().min(self.tx.nb_free(BATCH as u32) as usize).min(BATCH)
    }

    /// Puts a frame in, which leaves with the next [`BareSocket::flush`]; false if there is no room.
    pub fn put(&mut self, frame: &[u8]) -> bool {
        let Some(mut desc) = self.free.pop_front() else { return false };
        // SAFETY: a free frame: the kernel has given it back, or never had it.
        let mut data = unsafe { self.umem.data_mut(&mut desc) };
        let mut cursor = data.cursor();
        cursor.set_pos(0);
        // What does not fit is cut off.
        let _ = cursor.write(frame);
        // SAFETY: a free frame of this memory, and nothing refers to it any more.
        let put = unsafe { self.tx.produce_one(&desc) } == 1;
        if !put {
            self.free.push_front(desc);
        }
        put
    }

    /// Has the kernel send what was put in.
    ///
    /// # Errors
    /// The kernel does not send.
    pub fn flush(&mut self) -> Result<()> {
        if self.tx.needs_wakeup() {
            self.tx.wakeup().context("send by AF_XDP")?;
        }
        Ok(())
    }

    /// Whether everything that was handed over has been sent.
    pub fn is_idle(&mut self) -> bool {
        self.reclaim();
        self.free.len() == self.frames
    }

    fn reclaim(&mut self) {
        loop {
            // SAFETY: the ring belongs to this memory; frames come out of it once they have been sent.
            let count = unsafe { self.completion.consume(&mut self.batch) };
            self.free.extend(self.batch.iter().take(count));
            if count < BATCH {
                break;
            }
        }
    }
}
