//! The few lines where the machine is told more than the language says.
//!
//! Everything here has a plain meaning that other processors get; x86-64 has SSE2 by definition, so
//! nothing is chosen at run time.

/// Rows whose bins are compared at a time.
pub(crate) const BLOCK: usize = 64;

/// One bit a row: whether its bin differs from `mode`.
#[inline]
pub(crate) fn differing(bins: &[u8; BLOCK], mode: u8) -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: x86-64 has SSE2 by definition.
    return unsafe { sse2::differing(bins, mode) };
    #[cfg(not(target_arch = "x86_64"))]
    bins.iter()
        .rev()
        .fold(0, |mask, &bin| mask << 1 | u64::from(bin != mode))
}

/// Sums over the classes of `side`: its squares, the squares of the rest of `total`, its counts.
///
/// No count may exceed `i16::MAX`, nor the sum of all squares `i32::MAX`.
#[inline]
pub(crate) fn sums<const K: usize>(side: &[u16; K], total: &[u16; K]) -> [i32; 3] {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: x86-64 has SSE2 by definition.
    return unsafe { sse2::sums(side, total) };
    #[cfg(not(target_arch = "x86_64"))]
    side.iter()
        .zip(total)
        .fold([0; 3], |sums, (&side, &total)| {
            let (rest, side) = (i32::from(total - side), i32::from(side));
            [sums[0] + side * side, sums[1] + rest * rest, sums[2] + side]
        })
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_cmpeq_epi8, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_madd_epi16,
        _mm_movemask_epi8, _mm_set1_epi8, _mm_set1_epi16, _mm_setzero_si128, _mm_shuffle_epi32,
        _mm_sub_epi16,
    };

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn differing(bins: &[u8; super::BLOCK], mode: u8) -> u64 {
        let mode = _mm_set1_epi8(mode.cast_signed());
        let mut equal = 0;
        for (part, bins) in bins.as_chunks::<16>().0.iter().enumerate() {
            let mask = _mm_movemask_epi8(_mm_cmpeq_epi8(load(bins), mode));
            equal |= u64::from(mask.cast_unsigned()) << (16 * part);
        }
        !equal
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn sums<const K: usize>(side: &[u16; K], total: &[u16; K]) -> [i32; 3] {
        let mut sums = [_mm_setzero_si128(); 3];
        let totals = total.as_chunks::<8>().0;
        for (side, total) in side.as_chunks::<8>().0.iter().zip(totals) {
            let side = load(side);
            let rest = _mm_sub_epi16(load(total), side);
            sums[0] = _mm_add_epi32(sums[0], _mm_madd_epi16(side, side));
            sums[1] = _mm_add_epi32(sums[1], _mm_madd_epi16(rest, rest));
            sums[2] = _mm_add_epi32(sums[2], _mm_madd_epi16(side, _mm_set1_epi16(1)));
        }
        let [a, b, c] = sums;
        [sum(a), sum(b), sum(c)]
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn sum(lanes: __m128i) -> i32 {
        let pairs = _mm_add_epi32(lanes, _mm_shuffle_epi32::<0b01_00_11_10>(lanes));
        let all = _mm_add_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs));
        _mm_cvtsi128_si32(all)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load<T, const N: usize>(lanes: &[T; N]) -> __m128i {
        const { assert!(size_of::<[T; N]>() == 16) };
        // SAFETY: the reference covers the 16 bytes that are read; the load needs no alignment.
        unsafe { _mm_loadu_si128(std::ptr::from_ref(lanes).cast()) }
    }
}

/// Read one cell for each item.
///
/// # Safety
/// `index` must give the index of a cell for every item.
#[inline]
pub(crate) unsafe fn gather<T: Copy>(
    cells: &[u8],
    items: &[T],
    index: impl Fn(T) -> usize,
    read: &mut [u8],
) {
    let cell = |item: T| {
        debug_assert!(index(item) < cells.len());
        // SAFETY: the caller says so.
        unsafe { *cells.get_unchecked(index(item)) }
    };
    let (blocks, rest) = items.as_chunks::<8>();
    let (read_blocks, read_rest) = read[..items.len()].as_chunks_mut::<8>();
    for (read, items) in read_blocks.iter_mut().zip(blocks) {
        for (read, &item) in read.iter_mut().zip(items) {
            *read = cell(item);
        }
    }
    for (read, &item) in read_rest.iter_mut().zip(rest) {
        *read = cell(item);
    }
}

/// Read one cell for each of at most `BLOCK` items, and list the items whose cell differs from
/// `mode`: how many these are.
///
/// # Safety
/// `index` must give the index of a cell for every item, and there must be no more of them.
#[inline]
pub(crate) unsafe fn gather_differing<T: Copy>(
    cells: &[u8],
    items: &[T],
    index: impl Fn(T) -> usize,
    mode: u8,
    read: &mut [u8],
    differing: &mut [u8; BLOCK],
) -> usize {
    let mut n = 0;
    for ((place, &item), read) in items.iter().enumerate().zip(read) {
        debug_assert!(index(item) < cells.len() && place < BLOCK);
        // SAFETY: the caller says so, and no more places are listed than there are items.
        unsafe {
            *read = *cells.get_unchecked(index(item));
            *differing.get_unchecked_mut(n) = place as u8;
        }
        // No branch: no processor foresees which.
        n += usize::from(*read != mode);
    }
    n
}

/// Ask for the cache line of `items[index]`, which will be read soon; beyond the end, nothing.
#[inline]
pub(crate) fn prefetch<T>(items: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(item) = items.get(index) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, and the address is that of a live item.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (items, index);
}

/// Zeros that will be read at random.
pub(crate) fn zeros(n: usize) -> Vec<u8> {
    let zeros = vec![0; n];
    want_huge_pages(&zeros);
    zeros
}

/// An empty vector with room for `n` items that will be read at random.
pub(crate) fn with_room<T>(n: usize) -> Vec<T> {
    let items = Vec::with_capacity(n);
    want_huge_pages(&items);
    items
}

/// Ask for pages of 2 MiB, where the system lends such: in small ones, nearly every item that is
/// read at random costs a walk through the page tables, which takes longer than the read.
fn want_huge_pages<T>(items: &Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        const HUGE: usize = 1 << 21;
        let first = items.as_ptr();
        let end = (first.addr() + items.capacity() * size_of::<T>()) / HUGE * HUGE;
        let start = first.addr().next_multiple_of(HUGE);
        if start < end {
            let pages = first.with_addr(start).cast_mut().cast();
            // SAFETY: the pages lie within what the vector owns; advice changes no content, and may
            // be refused.
            unsafe { libc::madvise(pages, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = items;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn differing_marks_each_row_outside_the_mode() {
        let mut stream = Stream::new(3);
        for _ in 0..200 {
            let bins: [u8; BLOCK] = std::array::from_fn(|_| stream.below(3) as u8 * 127);
            for mode in [0, 127, 254] {
                let mask = differing(&bins, mode);
                for (row, &bin) in bins.iter().enumerate() {
                    assert_eq!(mask >> row & 1 == 1, bin != mode);
                }
            }
        }
    }

    #[test]
    fn sums_are_those_of_a_plain_loop() {
        let mut stream = Stream::new(4);
        for _ in 0..500 {
            let total: [u16; 32] = std::array::from_fn(|_| stream.below(1000) as u16);
            let side = total.map(|count| stream.below(usize::from(count) + 1) as u16);
            let square = |count: u16| i32::from(count) * i32::from(count);
            let expected = [
                side.iter().copied().map(square).sum(),
                side.iter().zip(total).map(|(&s, t)| square(t - s)).sum(),
                side.iter().map(|&count| i32::from(count)).sum(),
            ];
            assert_eq!(sums(&side, &total), expected);
        }
    }
}
