//! Sets of small numbers, one bit each: which agents somebody has to look at, which clients turned an agent down.

/// A set of agents' numbers. Its words are what makes a run fast: 64 agents are ruled out by one instruction.
#[derive(Clone, Debug, Default)]
pub(crate) struct AgentSet {
    words: Vec<u64>,
    len: usize,
}

impl AgentSet {
    /// Whether none is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a number is in it.
    pub(crate) fn contains(&self, agent: u32) -> bool {
        let (word, bit) = place(agent);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Puts a number in; `true` if it was not there.
    pub(crate) fn insert(&mut self, agent: u32) -> bool {
        let (word, bit) = place(agent);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += usize::from(new);
        new
    }

    /// Takes a number out; `true` if it was there.
    pub(crate) fn remove(&mut self, agent: u32) -> bool {
        let (word, bit) = place(agent);
        let Some(bits) = self.words.get_mut(word) else { return false };
        let was = *bits & bit != 0;
        *bits &= !bit;
        self.len -= usize::from(was);
        was
    }

    /// How many are in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// 64 numbers from `64 * index` on.
    pub(crate) fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    /// How many words there are.
    pub(crate) fn words(&self) -> usize {
        self.words.len()
    }

    /// A set of these.
    pub(crate) fn of(numbers: &[u32]) -> Self {
        let mut set = Self::default();
        for number in numbers {
            set.insert(*number);
        }
        set
    }

    /// The numbers in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().zip(0u32..).flat_map(|(bits, index)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.trailing_zeros();
                    left &= left - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

/// A set of clients' numbers.
pub(crate) type ClientSet = AgentSet;

fn place(agent: u32) -> (usize, u64) {
    (agent as usize / 64, 1 << (agent % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(steps in proptest::collection::vec((0u32..300, any::<bool>()), 0..80)) {
            let (mut bits, mut plain) = (AgentSet::default(), BTreeSet::new());
            for (agent, put) in steps {
                if put {
                    prop_assert_eq!(bits.insert(agent), plain.insert(agent));
                } else {
                    prop_assert_eq!(bits.remove(agent), plain.remove(&agent));
                }
                prop_assert_eq!(bits.len, plain.len());
            }
            prop_assert!(bits.iter().eq(plain.iter().copied()));
            prop_assert!((0..300).all(|agent| bits.contains(agent) == plain.contains(&agent)));
        }
    }
}
