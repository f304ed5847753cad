//! Conversation templates: ChatML and Zephyr.
//!
//! A model file carries its template as a Jinja program. We do not run it: we recognise which of
//! the known forms it writes, and write that form.
//!
//! ```text
//! ChatML   <|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n
//! Zephyr   <|user|>\nHello</s>\n<|assistant|>\n
//! ```
//!
//! A conversation is given out in [`Turn`]s to be appended to what the model has read already.
//! What people write is marked as text: a mark inside of it stays text.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use llama_tokenizer::Marks;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The role's name in every template.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// The form of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `<|im_start|>role\n...<|im_end|>\n`
    ChatMl,
    /// `<|role|>\n...` and the end-of-text mark.
    Zephyr,
}

/// Text to be appended, in parts: marks of the template, and what someone wrote.
pub type Turn = Vec<(String, Marks)>;

/// A template ready to write conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its form.
    pub form: Form,
    /// What stands as the system's words if nothing else is given.
    pub default_system: Option<String>,
    /// Mark that closes a turn.
    end: String,
}

const IM_START: &str = "<|im_start|>";
const IM_END: &str = "<|im_end|>";

impl Template {
    /// Recognises the template of a model file; `eos` is the text of its end-of-text token.
    #[must_use]
    pub fn detect(jinja: &str, eos: &str) -> Option<Self> {
        if jinja.contains(IM_START) && jinja.contains(IM_END) {
            return Some(Template {
                form: Form::ChatMl,
                default_system: default_system(jinja),
                end: IM_END.to_string(),
            });
        }
        let zephyr = ["<|user|>", "<|assistant|>"]
            .iter()
            .all(|mark| jinja.contains(mark));
        if zephyr && (jinja.contains("eos_token") || jinja.contains(eos)) && !eos.is_empty() {
            let (form, end) = (Form::Zephyr, eos.to_string());
            return Some(Template {
                form,
                default_system: None,
                end,
            });
        }
        None
    }

    /// Opens a conversation: the system's words, or nothing if there are none.
    #[must_use]
    pub fn open(&self, system: Option<&str>) -> Turn {
        let mut turn = Turn::new();
        if let Some(words) = system.or(self.default_system.as_deref()) {
            self.start(&mut turn, Role::System);
            turn.push((words.to_string(), Marks::AsText));
            self.finish(&mut turn);
        }
        turn
    }

    /// The user's words, and the beginning of the model's answer.
    #[must_use]
    pub fn ask(&self, words: &str) -> Turn {
        let mut turn = Turn::new();
        self.start(&mut turn, Role::User);
        turn.push((words.to_string(), Marks::AsText));
        self.finish(&mut turn);
        self.start(&mut turn, Role::Assistant);
        turn
    }

    /// Closes the model's answer, before the next [`Template::ask`]. The mark the model ended
    /// with itself is in here and must not be appended as well.
    #[must_use]
    pub fn close(&self) -> Turn {
        let mut turn = Turn::new();
        self.finish(&mut turn);
        turn
    }

    fn start(&self, turn: &mut Turn, role: Role) {
        let mut text = String::new();
        match self.form {
            Form::ChatMl => text.push_str(IM_START),
            Form::Zephyr => text.push_str("<|"),
        }
        text.push_str(role.name());
        if self.form == Form::Zephyr {
            text.push_str("|>");
        }
        text.push('\n');
        turn.push((text, Marks::Parse));
    }

    fn finish(&self, turn: &mut Turn) {
        turn.push(([&self.end, "\n"].concat(), Marks::Parse));
    }
}

/// The words a ChatML template writes for the system when the conversation has none: a literal
/// `<|im_start|>system\n...<|im_end|>` in the program.
fn default_system(jinja: &str) -> Option<String> {
    let (_, rest) = jinja.split_once("<|im_start|>system")?;
    // The line end is a real one, or written as an escape.
    let rest = rest
        .strip_prefix('\n')
        .or_else(|| rest.strip_prefix("\\n"))?;
    let (words, _) = rest.split_once(IM_END)?;
    let plain = !words.contains(['\'', '"', '{', '}']) && !words.is_empty();
    plain.then(|| words.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SmolLM2-135M-Instruct's template.
    const SMOLLM2: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != \
        'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by \
        Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + \
        message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}\
        {{ '<|im_start|>assistant\n' }}{% endif %}";

    /// TinyLlama-1.1B-Chat's template.
    const TINYLLAMA: &str = "{% for message in messages %}\n{% if message['role'] == 'user' %}\n\
        {{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n\
        {{ '<|system|>\n' + message['content'] + eos_token }}\n\
        {% elif message['role'] == 'assistant' %}\n\
        {{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n\
        {% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n\
        {% endfor %}";

    fn text(turns: &[Turn]) -> String {
        turns
            .iter()
            .flatten()
            .map(|(text, _)| text.as_str())
            .collect()
    }

    #[test]
    fn chatml() {
        let template = Template::detect(SMOLLM2, "<|im_end|>").unwrap();
        assert_eq!(template.form, Form::ChatMl);
        let talk = [
            template.open(None),
            template.ask("Hello"),
            template.close(),
            template.ask("Again"),
        ];
        assert_eq!(
            text(&talk),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging \
             Face<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n\
             <|im_end|>\n<|im_start|>user\nAgain<|im_end|>\n<|im_start|>assistant\n"
        );
        let own = text(&[template.open(Some("Be brief."))]);
        assert_eq!(own, "<|im_start|>system\nBe brief.<|im_end|>\n");
        let escaped = SMOLLM2.replace('\n', "\\n");
        assert_eq!(Template::detect(&escaped, "<|im_end|>").unwrap(), template);
    }

    #[test]
    fn zephyr() {
        let template = Template::detect(TINYLLAMA, "</s>").unwrap();
        assert_eq!(template.form, Form::Zephyr);
        assert!(template.open(None).is_empty());
        assert_eq!(
            text(&[
                template.open(Some("S")),
                template.ask("Hi"),
                template.close()
            ]),
            "<|system|>\nS</s>\n<|user|>\nHi</s>\n<|assistant|>\n</s>\n"
        );
    }

    #[test]
    fn what_people_write_is_text() {
        let template = Template::detect(SMOLLM2, "<|im_end|>").unwrap();
        let turn = template.ask("<|im_end|>");
        assert!(turn.contains(&("<|im_end|>".to_string(), Marks::AsText)));
    }

    #[test]
    fn unknown_templates_are_refused() {
        assert_eq!(
            Template::detect("{{ '[INST] ' + message['content'] }}", "</s>"),
            None
        );
        assert_eq!(Template::detect("", "</s>"), None);
    }
}
