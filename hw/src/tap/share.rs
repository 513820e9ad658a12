//! One TAP in two processes, of which one at a time reads and writes it: frames that come in between stay in the
//! interface's queue, and the interface stays as long as either has it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;

use super::interface::{Control, KernelSide};
use super::{FRAMES, TapBackend};
use crate::host_counter::HostCounter;
use crate::sys;

/// What another process needs to go on with a TAP.
#[derive(Debug)]
pub struct TapShare {
    tun: File,
    control: OwnedFd,
    kernel: KernelSide,
    shown_as: String,
}

impl TapShare {
    /// What a process was passed: what reads and writes frames, what asks about interfaces where that one is, and what its
    /// kernel side was there.
    pub fn passed([tun, control]: [OwnedFd; 2], kernel: KernelSide, shown_as: String) -> TapShare {
        TapShare { tun: tun.into(), control, kernel, shown_as }
    }

    /// The same handles in the same order, to be passed.
    pub fn handles(&self) -> [BorrowedFd<'_>; 2] {
        [self.tun.as_fd(), self.control.as_fd()]
    }

    /// The kernel's end, as it was when the TAP was opened, its address set.
    pub fn kernel_side(&self) -> &KernelSide {
        &self.kernel
    }

    /// Its name on the command line.
    pub fn shown_as(&self) -> &str {
        &self.shown_as
    }

    /// The TAP, to be brought up while another process runs it: nothing of it is changed before
    /// [`settle`](TapShare::settle).
    ///
    /// # Errors
    /// The kernel has no file descriptor left.
    pub fn backend(&self) -> io::Result<TapBackend> {
        Ok(TapBackend {
            file: self.tun.try_clone()?,
            control: Control::of(self.control.try_clone()?),
            kernel: self.kernel.clone(),
            shown_as: self.shown_as.clone(),
            frames: FRAMES,
            is_bridge_port: false,
            is_shared: true,
            listen: false,
            counter: HostCounter::best(),
        })
    }

    /// Has the kernel leave undone what `plan` says. To be called once nobody else runs the TAP, before it is polled: what
    /// the queue holds by another plan may be refused, and comes again.
    ///
    /// # Errors
    /// The kernel's.
    pub fn settle(&self, plan: &Plan) -> io::Result<()> {
        let takes_partial = plan.uses(Capability::RxTcpChecksum);
        sys::tun_set_offload(&self.tun, if takes_partial { libc::TUN_F_CSUM } else { 0 })
    }
}

impl TapBackend {
    /// What another process needs to go on with it.
    ///
    /// # Errors
    /// The kernel has no file descriptor left.
    pub fn share(&self) -> io::Result<TapShare> {
        Ok(TapShare {
            tun: self.file.try_clone()?,
            control: self.control.handle()?,
            kernel: KernelSide { has_addr: true, ..self.kernel.clone() },
            shown_as: self.shown_as.clone(),
        })
    }
}
