//! Texts of random words, the same ones in each run.

/// The words of the language.
const ALL: u32 = 20_000;
/// The frequent words: half of a text.
const FREQUENT: u32 = 200;

/// A source of words.
#[derive(Debug)]
pub(super) struct Words {
    seed: u64,
}

impl Words {
    pub(super) fn new() -> Self {
        Self { seed: 1 }
    }

    /// Returns a text of so many words. Half of them are frequent ones.
    pub(super) fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }

    /// Returns different frequent words.
    pub(super) fn frequent(&self, count: u32) -> Vec<String> {
        (0..count.min(FREQUENT)).map(word).collect()
    }

    /// Returns a word that is not frequent.
    pub(super) fn rare(&self) -> String {
        word(ALL / 2)
    }

    fn word(&mut self) -> String {
        // The constants are Knuth's, for a linear congruential generator (MMIX).
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let most = if self.seed >> 63 == 0 { FREQUENT } else { ALL };
        word((self.seed >> 32) as u32 % most)
    }
}

/// Returns the word with this number.
fn word(number: u32) -> String {
    format!("w{:x}", number.wrapping_mul(2_654_435_761) >> 12)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn half_of_a_text_is_frequent_words() {
        let mut words = Words::new();
        let frequent: HashSet<String> = words.frequent(FREQUENT).into_iter().collect();
        assert_eq!(frequent.len(), FREQUENT as usize);
        assert!(!frequent.contains(&words.rare()));
        let text = words.text(10_000);
        let share = text.split(' ').filter(|word| frequent.contains(*word)).count();
        assert!((4_800..5_400).contains(&share), "{share}");
    }
}
