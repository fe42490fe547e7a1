//! A set of features.

use std::fmt::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A set of features, one bit each: 200 subsets of a million features take 25 MB.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Subset {
    words: Arc<[u64]>,
    len: usize,
}

impl Subset {
    fn new(words: &[u64]) -> Self {
        Self {
            len: count(words),
            words: words.into(),
        }
    }

    /// The number of features in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the set has no feature.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `feature` is in the set.
    #[must_use]
    pub fn contains(&self, feature: u32) -> bool {
        let (word, bit) = position(feature);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The features, ascending.
    pub fn features(&self) -> impl Iterator<Item = u32> + Clone + '_ {
        ones(&self.words)
    }

    /// Whether it has a feature, and none that is `n_features` or above.
    #[must_use]
    pub(crate) fn fits(&self, n_features: usize) -> bool {
        !self.is_empty()
            && self.words.len() == n_features.div_ceil(u64::BITS as usize)
            && self
                .features()
                .all(|feature| (feature as usize) < n_features)
    }
}

impl From<Subset> for String {
    fn from(subset: Subset) -> Self {
        let mut text = String::with_capacity(16 * subset.words.len());
        for word in subset.words.iter() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{word:016x}");
        }
        text
    }
}

impl TryFrom<String> for Subset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.as_bytes();
        if !digits.len().is_multiple_of(16) {
            return Err("a subset is not whole".into());
        }
        let word = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).map_err(|error| error.to_string())?;
            u64::from_str_radix(digits, 16).map_err(|error| error.to_string())
        };
        let words = digits.chunks(16).map(word).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(&words))
    }
}

/// A set of features that grows while an ant walks.
#[derive(Debug, Clone)]
pub struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// No mark on any of `n_features` features.
    #[must_use]
    pub fn new(n_features: usize) -> Self {
        Self {
            words: vec![0; n_features.div_ceil(u64::BITS as usize)],
        }
    }

    /// Whether `feature` is marked.
    #[must_use]
    pub fn contains(&self, feature: u32) -> bool {
        let (word, bit) = position(feature);
        self.words[word] & bit != 0
    }

    /// Marks `feature`.
    pub fn insert(&mut self, feature: u32) {
        let (word, bit) = position(feature);
        self.words[word] |= bit;
    }

    /// Marks all features that `other`, of the same capacity, marks.
    pub fn insert_all(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// The marked features, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        ones(&self.words)
    }

    /// The number of marked features.
    #[must_use]
    pub fn len(&self) -> usize {
        count(&self.words)
    }

    /// The marked features as a set.
    #[must_use]
    pub fn to_subset(&self) -> Subset {
        Subset::new(&self.words)
    }
}

fn position(feature: u32) -> (usize, u64) {
    ((feature / u64::BITS) as usize, 1 << (feature % u64::BITS))
}

/// The positions of the bits that are set, ascending.
fn ones(words: &[u64]) -> impl Iterator<Item = u32> + Clone + '_ {
    words.iter().zip(0u32..).flat_map(|(&word, block)| {
        let rests = std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)));
        rests
            .take_while(|&rest| rest != 0)
            .map(move |rest| block * u64::BITS + rest.trailing_zeros())
    })
}

fn count(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}
