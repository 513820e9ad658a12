//! The fence of this program: the C peer, called.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int};

/// What an echo has done.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Frames that came.
    pub(crate) received: u64,
    /// Frames that the port took back.
    pub(crate) sent: u64,
    /// Frames that it did not take.
    pub(crate) freed: u64,
}

#[link(name = "l2_echo_peer", kind = "static")]
unsafe extern "C" {
    fn l2_echo_port(name: *const c_char) -> c_int;
    fn l2_echo_c(port: u16, bursts: u64, leaves_sums: c_int, counts: *mut Counts);
    fn l2_echo_far_open(name: *const c_char, args: *const c_char) -> c_int;
    fn l2_echo_far_is_up() -> c_int;
    fn l2_echo_far_send(bytes: *const u8, len: u16, burst: u16) -> u16;
    fn l2_echo_far_receive(bytes: *const u8, len: u16) -> u16;
}

/// A port that runs, by DPDK's number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port(u16);

impl Port {
    /// The port by that name, which is set up, has started and outlives what is returned.
    pub(crate) fn named(name: &str) -> Option<Port> {
        let name = CString::new(name).ok()?;
        // SAFETY: the name is a C string; DPDK has started, or it knows no port.
        let number = unsafe { l2_echo_port(name.as_ptr()) };
        u16::try_from(number).ok().map(Port)
    }

    /// Echoes so many bursts as C does.
    pub(crate) fn echo(self, bursts: u64, leaves_sums: bool, counts: &mut Counts) {
        // SAFETY: the port runs, and nobody else polls it meanwhile.
        unsafe { l2_echo_c(self.0, bursts, leaves_sums.into(), counts) }
    }
}

/// The far end of a memif, in this process.
#[derive(Debug)]
pub(crate) struct Far(());

impl Far {
    /// Starts it. Once in a process.
    pub(crate) fn open(name: &str, args: &str) -> Result<Far, String> {
        let (c_name, args) = (CString::new(name), CString::new(args));
        let (Ok(c_name), Ok(args)) = (c_name, args) else { return Err(format!("{name}: a zero")) };
        // SAFETY: both are C strings; DPDK has started.
        let answer = unsafe { l2_echo_far_open(c_name.as_ptr(), args.as_ptr()) };
        if answer == 0 { Ok(Far(())) } else { Err(format!("{name} does not start: {answer}")) }
    }

    /// Whether frames can pass.
    pub(crate) fn is_up(&self) -> bool {
        // SAFETY: the port was opened.
        unsafe { l2_echo_far_is_up() != 0 }
    }

    /// Sends a frame so many times, and says how many of them left.
    pub(crate) fn send(&mut self, frame: &[u8], times: u16) -> u16 {
        // SAFETY: the port was opened, and so many bytes are there to be copied.
        unsafe { l2_echo_far_send(frame.as_ptr(), frame.len() as u16, times) }
    }

    /// Receives a burst, and says how many of it are `frame`.
    pub(crate) fn receive(&mut self, frame: &[u8]) -> u16 {
        // SAFETY: the port was opened, and so many bytes are there to be compared with.
        unsafe { l2_echo_far_receive(frame.as_ptr(), frame.len() as u16) }
    }
}
