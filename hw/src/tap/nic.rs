//! The running TAP.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};

use fixwire_offload::nic::{Burst, Frame as _, Link, Nic, RxMeta};
use fixwire_offload::observe::NicCounters;
use fixwire_offload::stamp::ClockInfo;

use super::interface::{Control, Name};
use super::{TapBackend, mac_beside, virtio};
use crate::host_counter::HostCounter;
use crate::pool::{Frame, LINK_LEN_MAX, MTU_MAX, Pool};

/// The smallest MTU that is believed (RFC 791 3.2).
const MTU_MIN: usize = 68;

/// A TAP that runs. For one thread; the process's other threads use the kernel's side of it by
/// ordinary sockets.
#[derive(Debug)]
pub struct TapNic {
    file: File,
    control: Control,
    name: Name,
    rx: Pool,
    tx: Pool,
    listen: bool,
    counter: HostCounter,
    mac: [u8; 6],
    mtu: usize,
    /// The interface was deleted under us: there is nothing to read from any more.
    gone: bool,
    counters: NicCounters,
}

/// What became of one read.
enum Received {
    /// A frame, in the buffer.
    Frame,
    /// Something that is no frame for us; the next read may be.
    Refused,
    /// Nothing waits.
    Nothing,
}

/// What became of one write.
enum Sent {
    /// The kernel has the frame.
    Taken,
    /// The kernel refuses it.
    Refused,
    /// The kernel has no room now.
    Busy,
}

impl TapNic {
    pub(super) fn new(backend: TapBackend) -> TapNic {
        let TapBackend { file, control, kernel, frames, listen, counter, .. } = backend;
        let mtu = kernel.mtu.clamp(MTU_MIN, MTU_MAX);
        // One byte over the largest frame: a read that fills the room was cut off.
        let room = mtu + LINK_LEN_MAX + 1;
        // Half each: neither direction can starve the other.
        let (rx, tx) = (Pool::new(frames / 2, room), Pool::new(frames / 2, room));
        TapNic {
            mac: mac_beside(kernel.mac),
            name: kernel.name,
            gone: false,
            counters: NicCounters::default(),
            file,
            control,
            rx,
            tx,
            listen,
            counter,
            mtu,
        }
    }

    #[inline]
    fn receive(&mut self, frame: &mut Frame) -> Received {
        let mut header = [0; virtio::HEADER_LEN];
        let room = frame.space();
        let capacity = room.len();
        let mut pieces = [IoSliceMut::new(&mut header), IoSliceMut::new(room)];
        let len = match self.file.read_vectored(&mut pieces) {
            Ok(len) => len,
            Err(error) => return self.nothing_read(&error),
        };
        let Some(len) = len.checked_sub(virtio::HEADER_LEN).filter(|len| *len < capacity) else {
            self.counters.rx_errors += 1;
            return Received::Refused;
        };
        match virtio::rx_meta(header, len, self.listen) {
            Ok(meta) => {
                frame.received(len, meta);
                self.counters.rx_frames += 1;
                self.counters.rx_bytes += len as u64;
                Received::Frame
            }
            Err(_) => {
                self.counters.rx_errors += 1;
                Received::Refused
            }
        }
    }

    fn nothing_read(&mut self, error: &io::Error) -> Received {
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => {}
            Some(libc::EBADFD) => {
                self.gone = true;
                self.counters.rx_errors += 1;
            }
            _ => self.counters.rx_errors += 1,
        }
        Received::Nothing
    }

    #[inline]
    fn send(&mut self, frame: &Frame) -> Sent {
        let header = virtio::tx_header(&frame.tx_meta());
        let bytes = frame.bytes();
        let whole = virtio::HEADER_LEN + bytes.len();
        match self.file.write_vectored(&[IoSlice::new(&header), IoSlice::new(bytes)]) {
            Ok(len) if len == whole => {
                self.counters.tx_frames += 1;
                self.counters.tx_bytes += bytes.len() as u64;
                Sent::Taken
            }
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EAGAIN | libc::EINTR | libc::ENOMEM | libc::ENOBUFS)
                ) =>
            {
                self.counters.tx_busy += 1;
                Sent::Busy
            }
            // Cut short, refused (EINVAL), the link down (EIO), the interface gone (EBADFD): the
            // same frame would fare no better later.
            Ok(_) | Err(_) => {
                self.counters.tx_errors += 1;
                Sent::Refused
            }
        }
    }

    /// One reading of the counter for the frames of a burst from `first` on, after the last of them
    /// was read: none can be stamped before it came.
    #[inline]
    fn stamp(&self, frames: &mut [Frame]) {
        let stamp = self.counter.stamp();
        for meta in frames.iter_mut().filter_map(Frame::rx_meta_mut) {
            meta.stamp = Some(stamp);
        }
    }
}

impl Nic for TapNic {
    type Frame = Frame;

    #[inline]
    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let first = burst.len();
        // A read yields a frame, a refusal or nothing: what is refused counts against the poll too.
        for _ in 0..burst.remaining_capacity() {
            if self.gone {
                break;
            }
            let Some(mut frame) = self.rx.take() else {
                // Left in the interface's own queue, to be read when a buffer is back.
                self.counters.rx_no_buffer += 1;
                break;
            };
            match self.receive(&mut frame) {
                Received::Frame => burst.push(frame),
                Received::Refused => {}
                Received::Nothing => break,
            }
        }
        let received = burst.len() - first;
        if received > 0 {
            self.stamp(&mut burst[first..]);
        }
        received
    }

    #[inline]
    fn rx_meta(&self, frame: &Frame) -> RxMeta {
        frame.rx_meta()
    }

    #[inline]
    fn tx_frame(&mut self) -> Option<Frame> {
        let frame = self.tx.take();
        if frame.is_none() {
            self.counters.tx_no_buffer += 1;
        }
        frame
    }

    #[inline]
    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let mut done = 0;
        for frame in burst.iter() {
            match self.send(frame) {
                Sent::Taken | Sent::Refused => done += 1,
                Sent::Busy => break,
            }
        }
        burst.drain(..done);
        done
    }

    /// Asks the kernel: not for every poll.
    fn link(&mut self) -> Link {
        if !self.gone && self.control.is_running(&self.name) { Link::Up } else { Link::Down }
    }

    fn clock(&self) -> Option<ClockInfo> {
        Some(self.counter.info())
    }

    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn counters(&self) -> NicCounters {
        self.counters
    }

    fn close(self) -> Option<u32> {
        let lost = [&self.rx, &self.tx].map(|pool| pool.frames() - pool.spare());
        Some(u32::try_from(lost.into_iter().sum::<usize>()).unwrap_or(u32::MAX))
    }
}
