//! The smallest writers of both formats, and packets to put into them.

/// A byte order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    pub fn u16(self, n: u16) -> [u8; 2] {
        if self == Order::Little { n.to_le_bytes() } else { n.to_be_bytes() }
    }

    pub fn u32(self, n: u32) -> [u8; 4] {
        if self == Order::Little { n.to_le_bytes() } else { n.to_be_bytes() }
    }

    pub fn u64(self, n: u64) -> [u8; 8] {
        if self == Order::Little { n.to_le_bytes() } else { n.to_be_bytes() }
    }
}

pub const MICROS: u32 = 0xa1b2_c3d4;
pub const NANOS: u32 = 0xa1b2_3c4d;
pub const KUZNETZOV: u32 = 0xa1b2_cd34;

/// A classic file.
pub struct Classic {
    order: Order,
    magic: u32,
    pub bytes: Vec<u8>,
}

impl Classic {
    pub fn new(order: Order, magic: u32, link: u32) -> Self {
        let mut bytes = order.u32(magic).to_vec();
        bytes.extend(order.u16(2));
        bytes.extend(order.u16(4));
        for word in [0, 0, 65_535, link] {
            bytes.extend(order.u32(word));
        }
        Classic { order, magic, bytes }
    }

    pub fn packet(mut self, seconds: u32, fraction: u32, packet: &[u8]) -> Self {
        self.record([seconds, fraction, packet.len() as u32, packet.len() as u32], packet);
        self
    }

    pub fn record(&mut self, header: [u32; 4], packet: &[u8]) {
        for word in header {
            self.bytes.extend(self.order.u32(word));
        }
        if self.magic == KUZNETZOV {
            self.bytes.extend([0; 8]);
        }
        self.bytes.extend(packet);
    }
}

/// A pcapng file.
pub struct PcapNg {
    pub order: Order,
    pub bytes: Vec<u8>,
}

impl PcapNg {
    pub fn new(order: Order) -> Self {
        PcapNg { order, bytes: Vec::new() }.section(order)
    }

    pub fn section(mut self, order: Order) -> Self {
        self.order = order;
        let mut body = order.u32(0x1a2b_3c4d).to_vec();
        body.extend(order.u16(1));
        body.extend(order.u16(0));
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body)
    }

    pub fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let padded = body.len().next_multiple_of(4);
        let total = self.order.u32(padded as u32 + 12);
        self.bytes.extend(self.order.u32(kind));
        self.bytes.extend(total);
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len() + padded - body.len(), 0);
        self.bytes.extend(total);
        self
    }

    pub fn interface(self, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Self {
        let order = self.order;
        let mut body = order.u16(link).to_vec();
        body.extend([0; 2]);
        body.extend(order.u32(snaplen));
        for (code, value) in options {
            body.extend(order.u16(*code));
            body.extend(order.u16(value.len() as u16));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body)
    }

    pub fn packet(self, interface: u32, units: u64, packet: &[u8]) -> Self {
        let captured = packet.len() as u32;
        self.enhanced([interface, (units >> 32) as u32, units as u32, captured, captured], packet)
    }

    pub fn enhanced(self, fields: [u32; 5], packet: &[u8]) -> Self {
        let mut body: Vec<u8> = fields.iter().flat_map(|&word| self.order.u32(word)).collect();
        body.extend(packet);
        body.resize(body.len().next_multiple_of(4), 0);
        // A comment, so that there are options.
        body.extend(self.order.u16(1));
        body.extend(self.order.u16(4));
        body.extend(b"text");
        body.extend([0; 4]);
        self.block(6, &body)
    }

    pub fn simple(self, wire_len: u32, packet: &[u8]) -> Self {
        let mut body = self.order.u32(wire_len).to_vec();
        body.extend(packet);
        self.block(3, &body)
    }
}

/// An IPv4 packet with a UDP datagram to port 111, told from others by its source.
pub fn ip(source: [u8; 4], payload: &[u8]) -> Vec<u8> {
    udp(source, [10, 9, 9, 9], [1024, 111], payload)
}

pub fn udp(source: [u8; 4], destination: [u8; 4], ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend((28 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 7, 0, 0, 64, 17, 0, 0]);
    bytes.extend(source);
    bytes.extend(destination);
    bytes.extend(ports[0].to_be_bytes());
    bytes.extend(ports[1].to_be_bytes());
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

/// The same in an Ethernet frame.
pub fn ethernet(packet: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    bytes.extend(packet);
    bytes
}

/// A frame that the filter lets in; `n` tells it from others.
pub fn frame(n: u8) -> Vec<u8> {
    ethernet(&ip([10, 0, 0, n], &[n; 5]))
}
