//! Commands that wait for their replies, in one buffer, which is borrowed while any do.

use super::matching::Command;
use crate::text::Buffers;

/// Bytes in front of each command: its marks, the lengths of its name and of its argument.
const HEADER: usize = 4;

/// What is to be done when a command is answered: bits.
#[derive(Debug)]
pub(super) struct Marks;

impl Marks {
    /// It is reported, whatever the answer.
    pub const LOG_IT: u8 = 1;
    /// It is reported unless the login is denied.
    pub const LOG_IF_NOT_DENIED: u8 = 2;
    /// It is reported unless the operation fails.
    pub const LOG_IF_NOT_UNAVAIL: u8 = 4;
}

/// Commands without a reply, the oldest first.
#[derive(Default, Debug)]
pub(super) struct Pending {
    bytes: Vec<u8>,
}

impl Pending {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// Bytes on the heap.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// How many more bytes this command needs on the heap.
    pub fn growth(&self, command: Command<'_>) -> usize {
        let needed = self.bytes.len() + size(command);
        if needed <= self.bytes.capacity() { 0 } else { needed.max(2 * self.bytes.capacity()) - self.bytes.capacity() }
    }

    /// Another command; of its argument, as much as a length of 16 bits can say.
    pub fn push(&mut self, Command { name, arg }: Command<'_>, marks: u8, buffers: &Buffers) {
        let name = name.get(..usize::from(u8::MAX)).unwrap_or(name);
        let arg = arg.get(..usize::from(u16::MAX)).unwrap_or(arg);
        buffers.grow(&mut self.bytes, HEADER + name.len() + arg.len());
        let [high, low] = (arg.len() as u16).to_be_bytes();
        self.bytes.extend_from_slice(&[marks, name.len() as u8, high, low]);
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(arg);
    }

    /// The commands, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Command<'_>> + Clone {
        self.entries().map(|(command, _)| command)
    }

    /// One of them by its place, with its marks.
    pub fn get(&self, place: usize) -> Option<(Command<'_>, u8)> {
        self.entries().nth(place)
    }

    /// Adds to the marks of one.
    pub fn mark(&mut self, place: usize, marks: u8) {
        let before: usize = self.iter().take(place).map(size).sum();
        if let Some(own) = self.bytes.get_mut(before) {
            *own |= marks;
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, place: usize, buffers: &Buffers) {
        let before: usize = self.iter().take(place).map(size).sum();
        let Some(own) = self.iter().nth(place).map(size) else { return };
        self.bytes.drain(before..before + own);
        if self.bytes.is_empty() {
            buffers.give_back(&mut self.bytes);
        }
    }

    fn entries(&self) -> impl Iterator<Item = (Command<'_>, u8)> + Clone {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (command, marks, after) = split(rest)?;
            rest = after;
            Some((command, marks))
        })
    }
}

fn size(command: Command<'_>) -> usize {
    HEADER + command.name.len() + command.arg.len()
}

fn split(bytes: &[u8]) -> Option<(Command<'_>, u8, &[u8])> {
    let (&[marks, name_len, high, low], rest) = bytes.split_first_chunk::<HEADER>()?;
    let (name, rest) = rest.split_at_checked(name_len.into())?;
    let (arg, rest) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
    Some((Command { name, arg }, marks, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command<'a>(name: &'a str, arg: &'a [u8]) -> Command<'a> {
        Command { name: name.as_bytes(), arg }
    }

    #[test]
    fn commands_are_kept_in_order_and_taken_from_anywhere() {
        let (mut pending, buffers) = (Pending::default(), Buffers::default());
        for (name, arg) in [("USER", "a"), ("PASS", ""), ("CWD", "/pub")] {
            pending.push(command(name, arg.as_bytes()), 0, &buffers);
        }
        pending.mark(2, Marks::LOG_IT);
        pending.mark(9, Marks::LOG_IT);
        pending.remove(1, &buffers);
        assert_eq!(pending.get(1), Some((command("CWD", b"/pub"), Marks::LOG_IT)));
        let names: Vec<&[u8]> = pending.iter().map(|command| command.name).collect();
        assert_eq!((names, pending.len()), (vec![b"USER".as_slice(), b"CWD"], 2));
        pending.push(command("RETR", &[b'x'; 70_000]), 0, &buffers);
        assert_eq!(pending.iter().nth(2).map(|command| command.arg.len()), Some(65_535));
        pending.remove(7, &buffers);
        (0..3).for_each(|_| pending.remove(0, &buffers));
        assert_eq!((pending.len(), pending.held(), pending.get(0)), (0, 0, None), "a large buffer is given back");
    }
}
