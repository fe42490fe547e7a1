//! A colony's state: refused, or a colony that saves the same state and goes on.
#![no_main]

use fer_fast_colony::Colony;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(mut colony) = Colony::from_json(text) {
        let saved = colony.to_json().expect("a sound colony can be saved");
        let again = Colony::from_json(&saved).expect("what was saved can be read");
        assert_eq!(again.to_json().expect("and saved again"), saved);
        let _ = colony.ask();
    }
});
