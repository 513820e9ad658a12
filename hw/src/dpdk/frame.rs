//! An mbuf as a frame: one word, so that a burst of them is what drivers give and take. What is said of it stands in
//! the mbuf and is read when it is asked for.

use fixwire_offload::nic::{self, TxMeta};

use super::mbuf::{HeldMbuf, Mbuf};
use super::offloads;

impl nic::Held<Mbuf> for HeldMbuf {
    #[inline]
    fn bytes(&self) -> &[u8] {
        HeldMbuf::bytes(self)
    }

    #[inline]
    fn into_frame(self) -> Result<Mbuf, HeldMbuf> {
        self.into_sole()
    }
}

impl nic::Frame for Mbuf {
    type Held = HeldMbuf;

    #[inline]
    fn hold(&self) -> Option<HeldMbuf> {
        Some(self.share())
    }

    #[inline]
    fn segments(&self) -> usize {
        Mbuf::segments(self)
    }

    #[inline]
    fn segment(&self, index: usize) -> &[u8] {
        Mbuf::segment(self, index)
    }

    #[inline]
    fn space(&mut self) -> &mut [u8] {
        self.room()
    }

    #[inline]
    fn finish(&mut self, len: usize, meta: TxMeta) {
        self.set_len(u16::try_from(len).unwrap_or(u16::MAX));
        self.set_tx(offloads::tx_flags(&meta));
    }

    #[inline]
    fn tx_meta(&self) -> TxMeta {
        offloads::tx_meta(self.tx())
    }
}
