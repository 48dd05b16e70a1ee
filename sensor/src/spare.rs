//! State that is made when it is first needed, and lent by the thread: its memory is used again, so that after warm-up none is allocated.

use std::cell::RefCell;
use std::thread::LocalKey;

/// So many of a kind are kept for reuse; more are freed.
const KEPT: usize = 1024;

/// What is needed by few owners at a time.
pub trait Lend: Default + 'static {
    /// Those that nobody in this thread needs now.
    fn spare() -> &'static LocalKey<Spare<Self>>;

    /// Forgets everything. What is small and costly to make may stay.
    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What one thread has of a kind and does not need.
#[derive(Debug)]
pub struct Spare<T>(RefCell<Vec<Box<T>>>);

impl<T> Spare<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Spare(RefCell::new(Vec::new()))
    }
}

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Spare::new()
    }
}

/// Nothing, until it is needed: a pointer's worth in its owner.
#[derive(Debug)]
pub struct Lent<T: Lend>(Option<Box<T>>);

impl<T: Lend> Default for Lent<T> {
    fn default() -> Self {
        Lent(None)
    }
}

impl<T: Lend> Lent<T> {
    /// What is there, if anything is.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    /// The same, to change it.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// What is there, and something fresh if nothing is.
    #[inline]
    pub fn need(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| T::spare().with(|spare| spare.0.borrow_mut().pop()).unwrap_or_default())
    }

    /// It is not needed any more.
    pub fn give_back(&mut self) {
        let Some(mut value) = self.0.take() else { return };
        value.clear();
        // A thread that ends may have dropped its spare ones already.
        let _ = T::spare().try_with(|spare| {
            let mut spare = spare.0.borrow_mut();
            if spare.len() < KEPT {
                spare.push(value);
            }
        });
    }
}

impl<T: Lend> Drop for Lent<T> {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static SPARE: Spare<Words> = const { Spare::new() };
    }

    #[derive(Default)]
    struct Words(Vec<u8>);

    impl Lend for Words {
        fn spare() -> &'static LocalKey<Spare<Self>> {
            &SPARE
        }

        fn clear(&mut self) {
            self.0.clear();
        }
    }

    #[test]
    fn what_is_given_back_is_lent_again_and_empty() {
        let mut lent = Lent::<Words>::default();
        assert!(lent.get().is_none() && lent.get_mut().is_none());
        lent.need().0.extend_from_slice(b"once");
        let place = lent.get().map(|words| words.0.as_ptr());
        drop(lent);
        let mut next = Lent::<Words>::default();
        assert!(next.need().0.is_empty());
        assert_eq!(next.get().map(|words| words.0.as_ptr()), place, "the same memory");
        next.give_back();
        assert!(next.get().is_none());
    }

    #[test]
    fn an_owner_pays_one_pointer() {
        assert_eq!(size_of::<Lent<Words>>(), size_of::<usize>());
    }
}
