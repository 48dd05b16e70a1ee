//! What to ask of the kernel for a queue, in which order, and what its refusals mean.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use xsk_rs::config::Interface as DeviceName;

use super::Running;
use super::home::{HEADROOM, Home, Layout, Queues};
use crate::config::CaptureSettings;
use crate::error::{Error, Result};
use crate::nic::Interface;
use crate::sys::{free_huge_bytes, raise_memlock, socket_option};

/// The headroom that the kernel keeps for XDP in every frame.
const XDP_HEADROOM: u32 = 256;
/// Ethernet header and two VLAN tags.
const LINK_HEADER: u32 = 14 + 8;
/// A queue is released some time after its last socket was closed, by another run perhaps: how often to try again, and the first
/// pause, which doubles.
const BUSY_RETRIES: u32 = 6;
const BUSY_PAUSE: Duration = Duration::from_millis(10);
const HUGE_PAGE: u64 = 2 << 20;
/// `linux/if_xdp.h`.
const XDP_OPTIONS: i32 = 8;
const XDP_OPTIONS_ZEROCOPY: i32 = 1;

/// How the queues of one interface are opened.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    interface: &'a Interface,
    device: DeviceName,
    layout: Layout,
}

impl<'a> Plan<'a> {
    pub(super) fn new(interface: &'a Interface, settings: &CaptureSettings) -> Result<Self> {
        let doing = || format!("capture on {} by AF_XDP", interface.name);
        if !settings.ring_depth.is_power_of_two() || !(64..=1 << 20).contains(&settings.ring_depth) {
            let why = format!("a ring cannot have {} descriptors", settings.ring_depth);
            return Err(Error::new(doing(), why).hint("It takes a power of two from 64 to 1048576."));
        }
        let device = interface.name.parse().map_err(|why| Error::new(doing(), why))?;
        let layout = if settings.zero_copy {
            let copied = copied(settings.ring_depth, interface.mtu);
            Layout { zero_copy: true, frames: copied.frames.saturating_mul(2), ..copied }
        } else {
            copied(settings.ring_depth, interface.mtu)
        };
        Ok(Plan {
            interface,
            device,
            layout: Layout { huge_pages: huge_pages_for(layout, interface.queues), ..layout },
        })
    }

    /// Opens a queue: with zero copy if the driver can, which the first queue tells for all.
    pub(super) fn open(&mut self, queue: u32) -> Result<(Home, Queues)> {
        raise_memlock();
        if self.layout.zero_copy {
            if let Ok(opened) = self.patiently(queue) {
                return Ok(opened);
            }
            self.layout = Layout { huge_pages: self.layout.huge_pages, ..copied(self.layout.ring, self.interface.mtu) };
        }
        match self.patiently(queue) {
            Err(_) if self.layout.huge_pages => {
                self.layout.huge_pages = false;
                self.patiently(queue)
            }
            other => other,
        }
        .map_err(|why| self.explain(queue, &why))
    }

    /// Opens another worker's socket on a queue.
    pub(super) fn join(&self, home: &Home, queue: u32) -> Result<Queues> {
        home.join(&self.device, queue, self.layout).map_err(|why| self.explain(queue, &why))
    }

    /// What has been granted: the kernel is asked, because a driver may have done something else than it was told.
    pub(super) fn running(&self, queues: &Queues, workers: u32) -> Running {
        let options = socket_option(queues.rx.fd(), libc::SOL_XDP, XDP_OPTIONS);
        Running {
            zero_copy: options.map_or(self.layout.zero_copy, |options| options & XDP_OPTIONS_ZEROCOPY != 0),
            queues: self.interface.queues,
            workers,
            ring: self.layout.ring,
            frame_size: self.layout.frame_size,
            frames: self.layout.frames,
            huge_pages: self.layout.huge_pages,
        }
    }

    fn patiently(&self, queue: u32) -> io::Result<(Home, Queues)> {
        let mut pause = BUSY_PAUSE;
        for _ in 0..BUSY_RETRIES {
            match Home::open(&self.device, queue, self.layout) {
                Err(why) if why.raw_os_error() == Some(libc::EBUSY) => sleep(pause),
                other => return other,
            }
            pause = pause.saturating_mul(2);
        }
        Home::open(&self.device, queue, self.layout)
    }

    fn explain(&self, queue: u32, why: &io::Error) -> Error {
        let error = Error::new(format!("open an AF_XDP socket on {} queue {queue}", self.interface.name), why);
        match why.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                error.hint("Run as root, or with CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF.")
            }
            Some(libc::EAFNOSUPPORT) => {
                error.hint("This kernel has no AF_XDP (CONFIG_XDP_SOCKETS); use `--capture af_packet`.")
            }
            Some(libc::EBUSY) => error.hint("Another program has an AF_XDP socket on this queue."),
            Some(libc::ENOMEM | libc::ENOBUFS) => {
                let mebibytes = self.layout.bytes() >> 20;
                error.hint(format!(
                    "Each queue needs {mebibytes} MiB of locked memory for frames: raise the limit (ulimit -l unlimited), run with \
                     CAP_IPC_LOCK, or make the rings smaller."
                ))
            }
            Some(libc::EOPNOTSUPP | libc::EINVAL) => {
                error.hint("The driver refuses AF_XDP; use `--capture af_packet`.")
            }
            _ => error,
        }
    }
}

/// With copying every frame lies in the fill ring, in an RX ring or in a batch; with zero copy the NIC's own ring holds frames too,
/// so that takes twice as many.
fn copied(ring: u32, mtu: u32) -> Layout {
    let needed = mtu.saturating_add(LINK_HEADER).saturating_add(XDP_HEADROOM + HEADROOM);
    let frame_size = if needed <= 2048 { 2048 } else { 4096 };
    Layout { ring, frames: ring, frame_size, zero_copy: false, huge_pages: false }
}

/// Whether there are enough free huge pages for the frames of all queues.
fn huge_pages_for(layout: Layout, queues: u32) -> bool {
    let all = layout.bytes().saturating_mul(u64::from(queues));
    layout.bytes().is_multiple_of(HUGE_PAGE) && free_huge_bytes() >= all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_what_the_interface_carries() {
        for mtu in [68, 1500, 1754, 1755, 3498] {
            let layout = copied(32_768, mtu);
            assert!(layout.frame_size - XDP_HEADROOM - HEADROOM >= mtu + LINK_HEADER, "MTU {mtu}");
            assert_eq!(layout.frame_size == 2048, mtu <= 1754, "MTU {mtu}");
        }
    }
}
