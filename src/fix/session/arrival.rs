//! How arriving bytes become messages: nearly always a segment is one of a vouched shape in its turn, and goes by a way of its
//! own; others are cut apart, put together, or wait behind one that is missing.

use crate::fix::counters::Event;
use crate::fix::frame::{Framed, Whole, frame, frame_any};
use crate::fix::store::Store;
use crate::time::Now;

use super::{Disposition, Handler, Outlet, Session};

impl<S: Store> Session<S> {
    /// Bytes have arrived. All are taken: whole messages are read where they lie, and only the
    /// beginning of an unfinished one is kept.
    pub fn on_bytes(
        &mut self,
        now: Now,
        mut bytes: &[u8],
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        while self.assembled > 0 && !bytes.is_empty() && self.core.is_open() {
            bytes = self.assemble(now, bytes, out, app);
        }
        while !bytes.is_empty() && self.core.is_open() {
            match self.decoder.frame_usual(bytes, self.core.config.message_bytes_max) {
                Some(whole) => {
                    match self.decoder.vouched(bytes, &whole) {
                        Some(message) if self.core.on_vouched(now, &message, out, app) => {
                            self.go_on(now, out, app);
                        }
                        _ => self.on_message(now, bytes, whole, out, app),
                    }
                    bytes = &[];
                }
                None => bytes = self.on_unusual(now, bytes, out, app),
            }
        }
        if !bytes.is_empty() {
            self.core.counters.count(Event::BytesAfterClose);
        }
        self.core.disposition()
    }

    /// How many more bytes end the message whose beginning has come, or tell more of it; 0 where none has begun.
    pub(crate) fn lacks(&self) -> usize {
        let begun = self.assembly.get(..self.assembled).filter(|begun| !begun.is_empty());
        match begun.map(|begun| frame(begun, self.core.config.message_bytes_max)) {
            Some(Framed::Incomplete { need }) => need,
            _ => 0,
        }
    }

    /// How many bytes have come of a message that is not whole.
    pub(crate) fn begun_len(&self) -> usize {
        self.assembled
    }

    /// What has come of a message that is not whole.
    #[cfg(feature = "hand-over")]
    pub(crate) fn begun(&self) -> &[u8] {
        &self.assembly[..self.assembled]
    }

    /// What is at the front of bytes that are not one message with the usual head. Returns those behind it.
    #[inline(never)]
    fn on_unusual<'b>(
        &mut self,
        now: Now,
        bytes: &'b [u8],
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> &'b [u8] {
        match frame_any(bytes, self.core.config.message_bytes_max) {
            Framed::Complete(whole) => {
                self.on_message(now, bytes, whole, out, app);
                &bytes[whole.len..]
            }
            Framed::Garbled { skip, reason } => {
                self.core.on_garbled(now, &bytes[..skip], reason, out, app);
                self.release_held(now, out, app);
                &bytes[skip..]
            }
            Framed::Incomplete { .. } => {
                self.assembly[..bytes.len()].copy_from_slice(bytes);
                self.assembled = bytes.len();
                &[]
            }
        }
    }

    /// Adds to a message begun earlier just what it lacks, and returns the rest.
    #[inline(never)]
    fn assemble<'b>(
        &mut self,
        now: Now,
        bytes: &'b [u8],
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> &'b [u8] {
        let message_bytes_max = self.core.config.message_bytes_max;
        match frame(&self.assembly[..self.assembled], message_bytes_max) {
            Framed::Incomplete { need } => {
                let (lacking, rest) = bytes.split_at(need.min(bytes.len()));
                let end = self.assembled + lacking.len();
                self.assembly[self.assembled..end].copy_from_slice(lacking);
                self.assembled = end;
                self.settle_assembly(now, out, app);
                rest
            }
            // A message is settled as soon as it is whole: only its beginning is ever kept.
            Framed::Complete(_) | Framed::Garbled { .. } => {
                self.settle_assembly(now, out, app);
                bytes
            }
        }
    }

    #[inline(never)]
    fn settle_assembly(&mut self, now: Now, out: &mut impl Outlet, app: &mut impl Handler) {
        loop {
            let message_bytes_max = self.core.config.message_bytes_max;
            match frame(&self.assembly[..self.assembled], message_bytes_max) {
                Framed::Incomplete { .. } => return,
                Framed::Complete(whole) => {
                    self.core.counters.count(Event::MessageAssembled);
                    let assembly = core::mem::take(&mut self.assembly);
                    self.on_message(now, &assembly, whole, out, app);
                    self.assembly = assembly;
                    self.drop_assembled(whole.len);
                }
                Framed::Garbled { skip, reason } => {
                    let garbled = &self.assembly[..skip];
                    self.core.on_garbled(now, garbled, reason, out, app);
                    self.release_held(now, out, app);
                    self.drop_assembled(skip);
                }
            }
            if self.assembled == 0 {
                return;
            }
        }
    }

    fn drop_assembled(&mut self, len: usize) {
        self.assembly.copy_within(len..self.assembled, 0);
        self.assembled -= len;
    }

    /// The message at the front of `bytes`, and then those held behind it.
    #[inline(never)]
    fn on_message(
        &mut self,
        now: Now,
        bytes: &[u8],
        whole: Whole,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        self.core.on_framed(now, (bytes, whole), &mut self.decoder, &mut self.held, out, app);
        self.go_on(now, out, app);
    }

    /// What is to be done behind each message.
    #[inline(always)]
    fn go_on(&mut self, now: Now, out: &mut impl Outlet, app: &mut impl Handler) {
        if self.core.resend.is_some() {
            self.core.continue_resend(now, out, app, &mut self.resend_decoder);
            self.core.announce(now, out, app);
        }
        if !self.held.is_empty() {
            self.release_held(now, out, app);
        }
    }

    /// The messages held behind the one that was missing.
    #[inline(never)]
    fn release_held(&mut self, now: Now, out: &mut impl Outlet, app: &mut impl Handler) {
        while !self.held.is_empty() && self.core.is_open() {
            let next_in = self.core.store.next_in();
            let Some(whole) = self.held.take(next_in, &mut self.released) else { return };
            let bytes = &self.released[..];
            self.core.was_held = true;
            self.core.on_framed(now, (bytes, whole), &mut self.decoder, &mut self.held, out, app);
            self.core.was_held = false;
            self.core.continue_resend(now, out, app, &mut self.resend_decoder);
        }
    }
}
