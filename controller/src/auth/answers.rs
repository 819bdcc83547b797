//! Answers that are believed for a moment, in bounded memory.

use crate::clock::Boot;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a question is known by: a SHA-256 digest, so that neither tokens nor long names are kept.
pub(super) type Question = [u8; 32];

/// Remembers up to a number of answers, each for as long as was said when it came.
///
/// There are two generations. New answers go to the young one; when that is full the old one is dropped and the young
/// one becomes old. So a flood of questions costs no search for what may go, and never more memory than two generations.
#[derive(Debug)]
pub(super) struct Answers<V> {
    generations: Mutex<Generations<V>>,
    /// Most answers of one generation.
    most: usize,
}

#[derive(Debug)]
struct Generations<V> {
    young: HashMap<Question, (V, Boot)>,
    old: HashMap<Question, (V, Boot)>,
}

impl<V: Clone> Answers<V> {
    /// Remembers nothing yet, and never more than `most` answers.
    pub(super) fn new(most: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generations: Mutex::new(generations), most: (most / 2).max(1) }
    }

    /// The answer, if it is still believed.
    pub(super) fn get(&self, question: &Question, now: Boot) -> Option<V> {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, until) = generations.young.get(question).or_else(|| generations.old.get(question))?;
        (now < *until).then(|| answer.clone())
    }

    /// Remembers an answer for so long.
    pub(super) fn put(&self, question: Question, answer: V, now: Boot, believed: Duration) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= self.most && !generations.young.contains_key(&question) {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(question, (answer, now.after(believed)));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let generations = self.generations.lock().unwrap();
        generations.young.len() + generations.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn question(number: u32) -> Question {
        Sha256::digest(number.to_le_bytes()).into()
    }

    #[test]
    fn an_answer_is_believed_for_as_long_as_was_said() {
        let (answers, now) = (Answers::new(10), Boot::now());
        answers.put(question(1), "yes", now, Duration::from_secs(10));
        answers.put(question(2), "no", now, Duration::from_secs(1));
        let later = now.after(Duration::from_secs(1));
        assert_eq!((answers.get(&question(1), later), answers.get(&question(2), later)), (Some("yes"), None));
        assert_eq!(answers.get(&question(1), now.after(Duration::from_secs(10))), None);
        answers.put(question(1), "not any more", later, Duration::from_secs(10));
        assert_eq!(answers.get(&question(1), later), Some("not any more"), "the newest counts");
    }

    #[test]
    fn a_flood_of_questions_is_forgotten_again() {
        let (answers, now) = (Answers::new(1000), Boot::now());
        for number in 0..100_000 {
            answers.put(question(number), (), now, Duration::from_secs(10));
            assert!(answers.len() <= 1000);
        }
        assert_eq!(answers.get(&question(99_999), now), Some(()));
        assert_eq!(answers.get(&question(0), now), None);
    }
}
