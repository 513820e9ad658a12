//! Where there is no AVX2 to look for.

use super::Sum;

/// So many bytes.
#[inline(always)]
pub const fn whole_lanes(len: usize) -> usize {
    len
}

/// That the processor has AVX2: nobody has this.
#[derive(Clone, Copy, Debug)]
pub enum Avx2 {}

impl Avx2 {
    /// Looks.
    pub fn find() -> Option<Avx2> {
        None
    }

    /// The sum of `bytes` from `at` on.
    pub fn sum_end(self, _bytes: &[u8], _at: usize) -> Option<Sum> {
        match self {}
    }

    /// Writes a frame.
    pub fn put<const SUMS: bool, const KEPT: usize, const AT: usize>(
        self,
        _kept: &[u8; KEPT],
        _from: &[u8],
        _len: usize,
        _to: &mut [u8],
    ) -> Option<Sum> {
        match self {}
    }
}
