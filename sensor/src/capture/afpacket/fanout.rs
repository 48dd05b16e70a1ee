//! Which worker's packet socket gets a frame: a small program for the kernel that hashes the two addresses, alike in both directions.
//!
//! The kernel's own fan-out hash covers the ports too, so that it would tear apart what belongs to one pair of hosts: fragments, an FTP
//! control connection and its data, a portmapper lookup and the calls that follow it. It need not be the hash of the XDP program: what
//! counts is that a pair has one worker. Classic BPF, because that works on every kernel and needs no further privilege.

use std::io;

use libc::{SOL_PACKET, SOL_SOCKET, sock_filter, sock_fprog};

use crate::sys::{PacketSocket, set_socket_option, socket_option};

/// Data is addressed from the network header, which is the same place in frames that come in and in frames that go out.
const NETWORK: u32 = (-0x10_0000_i32).cast_unsigned();
/// The EtherType as the kernel knows it, after the outer VLAN tag has been taken off.
const ETHERTYPE: u32 = (-0x1000_i32).cast_unsigned();

/// VLAN tags that are followed inside the outermost one, which the kernel has taken off.
const TAGS: [u32; 3] = [0x8100, 0x88a8, 0x9100];
/// Types of ICMP messages that quote a packet: these go where the quoted connection is.
const ICMP_ERRORS: [u32; 5] = [3, 4, 5, 11, 12];
const ICMP6_ERRORS: [u32; 4] = [1, 2, 3, 4];
/// IPv4 and IPv6 in IP: the directions of a connection may come through different tunnels.
const TUNNELS: [u32; 2] = [4, 41];
/// Scratch cells: the offset of the IP header from [`NETWORK`], and the words of an address pair.
const OFFSET: u32 = 0;
const WORDS: u32 = 1;

/// Lets nothing in any more.
pub(super) fn shut(socket: &PacketSocket) -> io::Result<()> {
    let mut nothing = [sock_filter { code: RETURN, jt: 0, jf: 0, k: 0 }];
    set_socket_option(socket, SOL_SOCKET, libc::SO_ATTACH_FILTER, &described(&mut nothing)?)
}

/// Takes [`shut`] back.
pub(super) fn unshut(socket: &PacketSocket) -> io::Result<()> {
    set_socket_option(socket, SOL_SOCKET, libc::SO_DETACH_FILTER, &0_i32)
}

/// Has the kernel fan frames out to these bound sockets, in their order.
pub(super) fn join(sockets: &[&PacketSocket]) -> io::Result<()> {
    let [first, others @ ..] = sockets else { return Ok(()) };
    if others.is_empty() {
        return Ok(());
    }
    let by_program = libc::PACKET_FANOUT_CBPF << 16;
    let new_group = by_program | libc::PACKET_FANOUT_FLAG_UNIQUEID << 16;
    set_socket_option(*first, SOL_PACKET, libc::PACKET_FANOUT, &new_group)?;
    let group = socket_option(*first, SOL_PACKET, libc::PACKET_FANOUT)?.cast_unsigned() & 0xffff;
    for socket in others {
        set_socket_option(*socket, SOL_PACKET, libc::PACKET_FANOUT, &(by_program | group))?;
    }
    let mut code = program();
    set_socket_option(*first, SOL_PACKET, libc::PACKET_FANOUT_DATA, &described(&mut code)?)
}

fn described(code: &mut [sock_filter]) -> io::Result<sock_fprog> {
    Ok(sock_fprog { len: u16::try_from(code.len()).map_err(io::Error::other)?, filter: code.as_mut_ptr() })
}

/// The program. Its result, modulo the number of workers, is the worker. Frames without addresses all go to the first.
fn program() -> Vec<sock_filter> {
    let mut code = Assembler::default();
    code.op(LDX_CONSTANT, 0);
    code.op(LD_WORD, ETHERTYPE);
    for depth in 0..2 {
        let (tagged, untagged) = (code.label(), code.label());
        for tag in TAGS {
            code.jump_if(tag, tagged);
        }
        code.jump(untagged);
        code.place(tagged);
        code.op(LD_HALF, NETWORK.wrapping_add(4 * depth + 2));
        code.op(LDX_CONSTANT, 4 * (depth + 1));
        code.place(untagged);
    }
    let (v4, v6, hash, other) = (code.label(), code.label(), code.label(), code.label());
    code.jump_if(0x0800, v4);
    code.jump_if(0x86dd, v6);
    // A frame on its way out through a VLAN interface may have its tag in front of what the kernel calls the network header.
    code.op(LDX_CONSTANT, 0);
    code.op(LD_BYTE_INDEXED, NETWORK);
    code.op(SHIFT_RIGHT, 4);
    code.jump_if(4, v4);
    code.jump_if(6, v6);
    code.jump(other);
    let words = Words { v4: code.label(), v6: code.label() };
    code.place(v4);
    inside_v4(&mut code, words);
    code.jump(words.v4);
    code.place(v6);
    inside_v6(&mut code, words);
    code.jump(words.v6);
    code.place(words.v4);
    xor_of_words(&mut code, [12, 16].into_iter());
    code.jump(hash);
    code.place(words.v6);
    xor_of_words(&mut code, [8, 12, 16, 20, 24, 28, 32, 36].into_iter());
    code.place(hash);
    code.op(MULTIPLY, 0x9e37_79b1); // 2^32 / golden ratio, odd: spreads neighbouring addresses over the high bits
    code.op(SHIFT_RIGHT, 16);
    code.op(RETURN_ACCUMULATOR, 0);
    code.place(other);
    code.op(RETURN, 0);
    code.code
}

/// Where the addresses of the header at hand are hashed.
#[derive(Clone, Copy)]
struct Words {
    v4: Label,
    v6: Label,
}

/// If the packet is an ICMP error or IP in IP, goes on with the packet that it quotes or carries.
fn inside_v4(code: &mut Assembler, words: Words) {
    let (icmp, first, quoted) = (code.label(), code.label(), code.label());
    let (tunnel, whole, addresses) = (code.label(), code.label(), code.label());
    code.op(LD_BYTE_INDEXED, NETWORK.wrapping_add(9));
    code.jump_if(1, icmp);
    for protocol in TUNNELS {
        code.jump_if(protocol, tunnel);
    }
    code.jump(addresses);
    code.place(tunnel);
    code.op(LD_HALF_INDEXED, NETWORK.wrapping_add(6));
    code.op(AND, 0x3fff); // fragments go by what all of them have
    code.jump_if(0, whole);
    code.jump(addresses);
    code.place(whole);
    skip_v4(code);
    carried(code, words);
    code.jump(addresses);
    code.place(icmp);
    code.op(LD_HALF_INDEXED, NETWORK.wrapping_add(6));
    code.op(AND, 0x1fff); // only a first fragment has an ICMP header
    code.jump_if(0, first);
    code.jump(addresses);
    code.place(first);
    skip_v4(code);
    code.op(LD_BYTE_INDEXED, NETWORK);
    for kind in ICMP_ERRORS {
        code.jump_if(kind, quoted);
    }
    code.op(LDX_SCRATCH, OFFSET);
    code.jump(addresses);
    code.place(quoted);
    skip(code, 8);
    code.place(addresses);
}

/// The same for IPv6, where it follows the fixed header.
fn inside_v6(code: &mut Assembler, words: Words) {
    let (icmp, quoted, tunnel, addresses) = (code.label(), code.label(), code.label(), code.label());
    code.op(LD_BYTE_INDEXED, NETWORK.wrapping_add(6));
    code.jump_if(58, icmp);
    for protocol in TUNNELS {
        code.jump_if(protocol, tunnel);
    }
    code.jump(addresses);
    code.place(tunnel);
    code.op(STORE_INDEX, OFFSET);
    skip(code, 40);
    carried(code, words);
    code.jump(addresses);
    code.place(icmp);
    code.op(LD_BYTE_INDEXED, NETWORK.wrapping_add(40));
    for kind in ICMP6_ERRORS {
        code.jump_if(kind, quoted);
    }
    code.jump(addresses);
    code.place(quoted);
    skip(code, 48);
    code.place(addresses);
}

/// Goes on with the IP packet behind the header that was skipped; if there is none, returns to that header.
fn carried(code: &mut Assembler, words: Words) {
    code.op(LD_BYTE_INDEXED, NETWORK);
    code.op(SHIFT_RIGHT, 4);
    code.jump_if(4, words.v4);
    code.jump_if(6, words.v6);
    code.op(LDX_SCRATCH, OFFSET);
}

/// Moves the offset behind the IPv4 header at hand, and keeps the old one.
fn skip_v4(code: &mut Assembler) {
    code.op(STORE_INDEX, OFFSET);
    code.op(LD_BYTE_INDEXED, NETWORK);
    code.op(AND, 0xf);
    code.op(SHIFT_LEFT, 2);
    code.op(ADD_INDEX, 0);
    code.op(TO_INDEX, 0);
}

/// Moves the offset of the header at hand.
fn skip(code: &mut Assembler, bytes: u32) {
    code.op(FROM_INDEX, 0);
    code.op(ADD, bytes);
    code.op(TO_INDEX, 0);
}

/// The exclusive or of words in the header at hand: the same whichever address comes first.
fn xor_of_words(code: &mut Assembler, offsets: impl ExactSizeIterator<Item = u32>) {
    let cells = WORDS..WORDS.saturating_add(offsets.len() as u32);
    for (cell, offset) in cells.clone().zip(offsets) {
        code.op(LD_WORD_INDEXED, NETWORK.wrapping_add(offset));
        code.op(STORE, cell);
    }
    code.op(LD_CONSTANT, 0);
    for cell in cells {
        code.op(LDX_SCRATCH, cell);
        code.op(XOR_INDEX, 0);
    }
}

const LD_CONSTANT: u16 = 0x00;
const LD_WORD: u16 = 0x20;
const LD_HALF: u16 = 0x28;
const LD_WORD_INDEXED: u16 = 0x40;
const LD_HALF_INDEXED: u16 = 0x48;
const LD_BYTE_INDEXED: u16 = 0x50;
const LDX_CONSTANT: u16 = 0x01;
const LDX_SCRATCH: u16 = 0x61;
const STORE: u16 = 0x02;
const STORE_INDEX: u16 = 0x03;
const ADD: u16 = 0x04;
const ADD_INDEX: u16 = 0x0c;
const MULTIPLY: u16 = 0x24;
const AND: u16 = 0x54;
const SHIFT_LEFT: u16 = 0x64;
const SHIFT_RIGHT: u16 = 0x74;
const XOR_INDEX: u16 = 0xac;
const TO_INDEX: u16 = 0x07;
const FROM_INDEX: u16 = 0x87;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const RETURN_ACCUMULATOR: u16 = 0x16;

/// A place in the program that is jumped to, forward only.
#[derive(Clone, Copy)]
struct Label(usize);

/// Instructions, and the jumps whose targets are not known yet.
#[derive(Default)]
struct Assembler {
    code: Vec<sock_filter>,
    labels: usize,
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    fn op(&mut self, code: u16, k: u32) {
        self.code.push(sock_filter { code, jt: 0, jf: 0, k });
    }

    fn label(&mut self) -> Label {
        self.labels = self.labels.saturating_add(1);
        Label(self.labels)
    }

    fn jump(&mut self, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.op(JUMP, 0);
    }

    /// Jumps if the accumulator is `value`.
    fn jump_if(&mut self, value: u32, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.op(JUMP_IF_EQUAL, value);
    }

    /// The label stands before the next instruction.
    fn place(&mut self, label: Label) {
        let here = self.code.len();
        for (from, _) in self.jumps.extract_if(.., |(_, to)| to.0 == label.0) {
            let distance = here.saturating_sub(from).saturating_sub(1);
            if let Some(jump) = self.code.get_mut(from) {
                if jump.code == JUMP {
                    jump.k = u32::try_from(distance).unwrap_or(u32::MAX);
                } else {
                    jump.jt = u8::try_from(distance).unwrap_or(u8::MAX);
                }
            }
        }
    }
}
