//! What a stream keeps back: bytes that wait to be consumed, to be acknowledged, or for others before them.

use crate::flow::pool::Pool;

/// What a stream keeps back.
#[derive(Default, Debug)]
pub(in crate::flow) struct Kept {
    /// Delivered, not consumed.
    pub carry: Vec<u8>,
    /// Delivered, not acknowledged: the bytes up to `next`. Its buffer stays here when all this is given back: most streams that keep
    /// anything keep nothing else.
    pub recent: Vec<u8>,
    /// Above a hole, sorted, without overlaps.
    pub pieces: Vec<Piece>,
    /// Bytes in them.
    pub stored: usize,
}

/// A run of bytes.
#[derive(Debug)]
pub(in crate::flow) struct Piece {
    pub seq: u64,
    pub bytes: Vec<u8>,
}

impl Piece {
    /// One past its last byte.
    pub fn end(&self) -> u64 {
        self.seq + self.bytes.len() as u64
    }
}

impl Kept {
    /// Bytes of it and of its buffers.
    #[inline]
    pub fn held(&self) -> usize {
        let pieces =
            if self.pieces.is_empty() { 0 } else { self.pieces.iter().map(|piece| piece.bytes.capacity()).sum() };
        let list = self.pieces.capacity() * size_of::<Piece>();
        size_of::<Kept>() + self.carry.capacity() + self.recent.capacity() + pieces + list
    }

    /// Whether there is nothing in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.carry.capacity() == 0 && self.recent.is_empty() && self.pieces.is_empty()
    }

    /// Whether its first piece begins at this byte, or before it.
    pub fn begins_by(&self, next: u64) -> bool {
        self.pieces.first().is_some_and(|piece| piece.seq <= next)
    }

    /// Has no more room than this: places of pieces, and bytes.
    #[inline]
    pub fn shrink(&mut self, pieces: usize, bytes: usize) {
        self.pieces.shrink_to(pieces);
        if self.recent.capacity() > bytes {
            self.recent = Vec::new();
        }
    }

    /// Gives every buffer back but the one that stays here.
    pub fn clear(&mut self, pool: &mut Pool) {
        pool.give_back(&mut self.carry);
        self.recent.clear();
        while let Some(mut piece) = self.pieces.pop() {
            self.forget(&mut piece, pool);
        }
    }

    /// Gives a piece back that was taken out.
    pub fn forget(&mut self, piece: &mut Piece, pool: &mut Pool) {
        self.stored = self.stored.saturating_sub(piece.bytes.len());
        pool.give_back(&mut piece.bytes);
    }
}
