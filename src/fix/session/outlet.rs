//! Where a session writes.

/// The outlet has no room for so many bytes now: never to be waited for where they are more than its
/// [most](Outlet::room_max).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Where a session writes, without knowing what carries it.
pub trait Outlet {
    /// Room for `len` bytes, or [`Full`]: [`Session::on_writable`](super::Session::on_writable)
    /// is to be called once there is room again. A reservation that is not committed is void.
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full>;

    /// The most that it ever has room for at once, however long one waits.
    fn room_max(&self) -> usize {
        usize::MAX
    }

    /// Sends the first `used` of the bytes reserved last.
    fn commit(&mut self, used: usize);

    /// The same, where they are one message, of this MsgSeqNum(34): for an outlet that is asked later which
    /// of them arrived.
    #[inline(always)]
    fn commit_message(&mut self, used: usize, msg_seq_num: u32) {
        let _ = msg_seq_num;
        self.commit(used);
    }
}
