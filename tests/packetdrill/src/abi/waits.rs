//! Waiting until something happens to one of several descriptors.

use std::ffi::{c_int, c_ulong};

use fixwire::time::{Duration, Instant};
use libc::{epoll_event, pollfd};

use super::{User, host, int};
use crate::calls::{Call, Yield};
use crate::errno::Errno;
use crate::host::Host;
use crate::socket::Watch;

/// When a wait of `timeout_ms` ends; never for a negative one.
fn until(user: User, timeout_ms: c_int) -> Option<Instant> {
    let timeout = Duration::from_ms(u64::try_from(timeout_ms).ok()?);
    Some(host(user).with(|host| host.now) + timeout)
}

pub(super) extern "C" fn poll(
    user: User,
    fds: *mut pollfd,
    count: c_ulong,
    timeout_ms: c_int,
) -> c_int {
    if fds.is_null() {
        return int(Err(Errno(libc::EFAULT)));
    }
    // SAFETY: packetdrill's list and how long it is.
    let fds = unsafe { std::slice::from_raw_parts_mut(fds, count as usize) };
    let asked = fds.iter().map(|poll| (poll.fd, poll.events)).collect();
    int(host(user).call(Call::Poll { asked, until: until(user, timeout_ms) }).map(|yielded| {
        let Yield::Ready(ready) = yielded else { return 0 };
        for (poll, events) in fds.iter_mut().zip(&ready) {
            poll.revents = *events;
        }
        ready.iter().filter(|events| **events != 0).count() as i64
    }))
}

pub(super) extern "C" fn epoll_create(user: User, _: c_int) -> c_int {
    host(user).with(Host::epoll_create)
}

pub(super) extern "C" fn epoll_ctl(
    user: User,
    set: c_int,
    op: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    // SAFETY: packetdrill's event, or null where it takes a descriptor out.
    let (events, data) =
        unsafe { event.as_ref() }.map_or((0, 0), |event| (event.events, event.u64));
    let watch = Watch { fd, events, data, told_at: None };
    int(host(user).with(|host| host.epoll_ctl(set, op, watch)).map(|()| 0))
}

pub(super) extern "C" fn epoll_wait(
    user: User,
    fd: c_int,
    events: *mut epoll_event,
    max: c_int,
    timeout_ms: c_int,
) -> c_int {
    if max <= 0 || events.is_null() {
        return int(Err(Errno(libc::EINVAL)));
    }
    // SAFETY: packetdrill's list, of `max` events.
    let room = unsafe { std::slice::from_raw_parts_mut(events, max as usize) };
    let call = Call::EpollWait { fd, max: room.len(), until: until(user, timeout_ms) };
    int(host(user).call(call).map(|yielded| {
        let Yield::Events(happened) = yielded else { return 0 };
        for (place, (events, data)) in room.iter_mut().zip(&happened) {
            *place = epoll_event { events: *events, u64: *data };
        }
        happened.len() as i64
    }))
}
