//! How arriving bytes become messages: nearly always a segment is one of a vouched shape in its turn, and goes by a way of its
//! own; others are cut apart, put together, or wait behind one that is missing.

use crate::fix::counters::Event;
use crate::fix::frame::{Framed, Whole, frame, frame_any};
use crate::fix::store::Store;
use crate::time::Now;

use super::{Body, Disposition, Handler, Outlet, Reader, Session};

impl<S: Store, R> Session<S, R> {
    /// How many more bytes end the message whose beginning has come, or tell more of it; 0 where none has begun.
    pub(crate) fn lacks(&self) -> usize {
        let Body { core, assembly, .. } = &self.body;
        let begun = assembly.get(..core.assembled).filter(|begun| !begun.is_empty());
        match begun.map(|begun| frame(begun, core.config.message_bytes_max)) {
            Some(Framed::Incomplete { need }) => need,
            _ => 0,
        }
    }

    /// How many bytes have come of a message that is not whole.
    pub(crate) fn begun_len(&self) -> usize {
        self.body.core.assembled
    }

    /// What has come of a message that is not whole.
    #[cfg(feature = "hand-over")]
    pub(crate) fn begun(&self) -> &[u8] {
        &self.body.assembly[..self.body.core.assembled]
    }
}

impl<S: Store> Body<S> {
    #[inline(always)]
    pub(super) fn on_bytes(
        &mut self,
        reader: &mut Reader,
        now: Now,
        mut bytes: &[u8],
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> Disposition {
        while self.core.assembled > 0 && !bytes.is_empty() && self.core.is_open() {
            bytes = self.assemble(reader, now, bytes, out, app);
        }
        while !bytes.is_empty() && self.core.is_open() {
            match reader.decoder.frame_usual(bytes, self.core.message_bytes_max as usize) {
                Some(whole) => {
                    let Reader { decoder, sending_times, .. } = reader;
                    match decoder.vouched(bytes, &whole) {
                        Some(message)
                            if self.core.on_vouched(now, &message, sending_times, out, app) =>
                        {
                            self.go_on(reader, now, out, app);
                        }
                        _ => self.on_message(reader, now, bytes, whole, out, app),
                    }
                    bytes = &[];
                }
                None => bytes = self.on_unusual(reader, now, bytes, out, app),
            }
        }
        if !bytes.is_empty() {
            self.core.counters.count(Event::BytesAfterClose);
        }
        self.core.disposition()
    }

    /// What is at the front of bytes that are not one message with the usual head. Returns those behind it.
    #[inline(never)]
    fn on_unusual<'b>(
        &mut self,
        reader: &mut Reader,
        now: Now,
        bytes: &'b [u8],
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> &'b [u8] {
        match frame_any(bytes, self.core.config.message_bytes_max) {
            Framed::Complete(whole) => {
                self.on_message(reader, now, bytes, whole, out, app);
                &bytes[whole.len..]
            }
            Framed::Garbled { skip, reason } => {
                self.core.on_garbled(now, &bytes[..skip], reason, out, app);
                self.release_held(reader, now, out, app);
                &bytes[skip..]
            }
            Framed::Incomplete { .. } => {
                self.assembly[..bytes.len()].copy_from_slice(bytes);
                self.core.assembled = bytes.len();
                &[]
            }
        }
    }

    /// Adds to a message begun earlier just what it lacks, and returns the rest.
    #[inline(never)]
    fn assemble<'b>(
        &mut self,
        reader: &mut Reader,
        now: Now,
        bytes: &'b [u8],
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) -> &'b [u8] {
        let message_bytes_max = self.core.config.message_bytes_max;
        match frame(&self.assembly[..self.core.assembled], message_bytes_max) {
            Framed::Incomplete { need } => {
                let (lacking, rest) = bytes.split_at(need.min(bytes.len()));
                let end = self.core.assembled + lacking.len();
                self.assembly[self.core.assembled..end].copy_from_slice(lacking);
                self.core.assembled = end;
                self.settle_assembly(reader, now, out, app);
                rest
            }
            // A message is settled as soon as it is whole: only its beginning is ever kept.
            Framed::Complete(_) | Framed::Garbled { .. } => {
                self.settle_assembly(reader, now, out, app);
                bytes
            }
        }
    }

    #[inline(never)]
    fn settle_assembly(
        &mut self,
        reader: &mut Reader,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        loop {
            let message_bytes_max = self.core.config.message_bytes_max;
            match frame(&self.assembly[..self.core.assembled], message_bytes_max) {
                Framed::Incomplete { .. } => return,
                Framed::Complete(whole) => {
                    self.core.counters.count(Event::MessageAssembled);
                    let assembly = core::mem::take(&mut self.assembly);
                    self.on_message(reader, now, &assembly, whole, out, app);
                    self.assembly = assembly;
                    self.drop_assembled(whole.len);
                }
                Framed::Garbled { skip, reason } => {
                    let garbled = &self.assembly[..skip];
                    self.core.on_garbled(now, garbled, reason, out, app);
                    self.release_held(reader, now, out, app);
                    self.drop_assembled(skip);
                }
            }
            if self.core.assembled == 0 {
                return;
            }
        }
    }

    fn drop_assembled(&mut self, len: usize) {
        self.assembly.copy_within(len..self.core.assembled, 0);
        self.core.assembled -= len;
    }

    /// The message at the front of `bytes`, and then those held behind it.
    #[inline(never)]
    fn on_message(
        &mut self,
        reader: &mut Reader,
        now: Now,
        bytes: &[u8],
        whole: Whole,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        self.core.on_framed(now, (bytes, whole), reader, out, app);
        self.go_on(reader, now, out, app);
    }

    /// What is to be done behind each message.
    #[inline(always)]
    fn go_on(
        &mut self,
        reader: &mut Reader,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        if self.core.resend.is_some() {
            self.core.continue_resend(now, out, app, &mut reader.resend_decoder);
            self.core.announce(now, out, app);
        }
        if !self.core.held.is_empty() {
            self.release_held(reader, now, out, app);
        }
    }

    /// The messages held behind the one that was missing.
    #[inline(never)]
    fn release_held(
        &mut self,
        reader: &mut Reader,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        while !self.core.held.is_empty() && self.core.is_open() {
            let next_in = self.core.store.next_in();
            let filled_over = self.core.held.forget_below(next_in);
            if filled_over > 0 {
                self.core.counters.add(Event::HeldFilledOver, filled_over as u64);
                app.on_filled_over(filled_over);
            }
            let Some(whole) = self.core.held.take(next_in, &mut self.released) else { return };
            let bytes = &self.released[..];
            self.core.was_held = true;
            self.core.on_framed(now, (bytes, whole), reader, out, app);
            self.core.was_held = false;
            self.core.continue_resend(now, out, app, &mut reader.resend_decoder);
            self.core.announce(now, out, app);
        }
    }
}
