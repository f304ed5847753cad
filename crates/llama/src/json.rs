//! Writes one line of JSON.

use alloc::string::String;
use core::fmt::Write;

/// An object or array under construction; closes itself with [`Json::end`].
#[derive(Debug)]
pub struct Json {
    text: String,
    /// Whether the next element needs a comma before it.
    comma: bool,
}

impl Json {
    /// Begins an object.
    pub fn object() -> Self {
        Json {
            text: String::from("{"),
            comma: false,
        }
    }

    fn element(&mut self) {
        if self.comma {
            self.text.push(',');
        }
        self.comma = true;
    }

    /// Writes a key; exactly one value follows.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.element();
        self.quoted(key);
        self.text.push(':');
        self.comma = false;
        self
    }

    fn quoted(&mut self, text: &str) {
        self.text.push('"');
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                // The console may not carry other control characters unchanged.
                '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(character));
                }
                _ => self.text.push(character),
            }
        }
        self.text.push('"');
    }

    /// Writes a string.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.element();
        self.quoted(text);
        self
    }

    /// Writes a whole number.
    pub fn integer(&mut self, number: u64) -> &mut Self {
        self.element();
        let _ = write!(self.text, "{number}");
        self
    }

    /// Writes a number with enough digits to give it back, or `null` if JSON has no way to.
    pub fn float(&mut self, number: f64) -> &mut Self {
        self.element();
        if number.is_finite() {
            let _ = write!(self.text, "{number}");
        } else {
            self.text.push_str("null");
        }
        self
    }

    /// Writes an array of whole numbers.
    pub fn integers(&mut self, numbers: &[u32]) -> &mut Self {
        self.array();
        for &number in numbers {
            self.integer(number.into());
        }
        self.end_array()
    }

    /// Begins an object as a value.
    pub fn begin(&mut self) -> &mut Self {
        self.element();
        self.text.push('{');
        self.comma = false;
        self
    }

    /// Ends the object begun last.
    pub fn end(&mut self) -> &mut Self {
        self.text.push('}');
        self.comma = true;
        self
    }

    /// Begins an array as a value.
    pub fn array(&mut self) -> &mut Self {
        self.element();
        self.text.push('[');
        self.comma = false;
        self
    }

    /// Ends the array begun last.
    pub fn end_array(&mut self) -> &mut Self {
        self.text.push(']');
        self.comma = true;
        self
    }

    /// The line, with its end.
    pub fn line(mut self) -> String {
        self.text.push_str("}\n");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut json = Json::object();
        json.key("text").string("a\"\\\n\u{1}é🦙");
        json.key("ids").integers(&[1, 2]);
        json.key("inside")
            .begin()
            .key("x")
            .float(0.1)
            .key("n")
            .float(f64::NAN)
            .end();
        json.key("list")
            .array()
            .begin()
            .key("y")
            .float(1e-300)
            .end()
            .begin()
            .end()
            .end_array();
        json.key("none").integers(&[]);
        let line = json.line();
        assert!(line.ends_with("}\n") && line.lines().count() == 1);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["text"], "a\"\\\n\u{1}é🦙");
        assert_eq!(read["inside"]["x"], 0.1);
        assert!(read["inside"]["n"].is_null());
        assert_eq!(read["list"][0]["y"], 1e-300);
        assert_eq!(read["ids"].as_array().unwrap().len(), 2);
    }
}
