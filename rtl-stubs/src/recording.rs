//! A bus around another, which keeps each access in order.

use std::cell::RefCell;

use crate::bus::{Access, Bus, BusError};

/// One access, and the word that came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What was done.
    pub access: Access,
    /// The register's address.
    pub at: u16,
    /// The word; or why there is none.
    pub word: Result<u32, BusError>,
}

/// Any bus, and what passes it.
#[derive(Debug, Default)]
pub struct Recording<B> {
    inner: B,
    passed: RefCell<Vec<Recorded>>,
}

impl<B> Recording<B> {
    /// Records what passes `inner` from now on, for as long as there is memory.
    pub fn new(inner: B) -> Recording<B> {
        Recording { inner, passed: RefCell::default() }
    }

    /// The bus inside.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// What has passed since this was asked last.
    pub fn take(&self) -> Vec<Recorded> {
        self.passed.take()
    }
}

impl<B: Bus> Bus for Recording<B> {
    fn read32(&self, at: u16) -> Result<u32, BusError> {
        let word = self.inner.read32(at);
        self.passed.borrow_mut().push(Recorded { access: Access::Read, at, word });
        word
    }

    fn write32(&self, at: u16, word: u32) -> Result<(), BusError> {
        let done = self.inner.write32(at, word);
        let word = done.map(|()| word);
        self.passed.borrow_mut().push(Recorded { access: Access::Write, at, word });
        done
    }
}
