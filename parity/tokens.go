package parity

import (
	"errors"
	"fmt"
	"io/fs"

	"mole/prompt"
	"mole/tokenizer"
)

// checkTokens checks the tokenizer, which a case names by its digest and does
// not hold.
func (r *run) checkTokens() {
	digest := r.meta.text("tokenizer_sha256")
	if r.meta.has("library_tokenizer_differs") {
		r.meta.texts("library_tokenizer_differs")
		r.out.leave("provenance", Provenance, "", "library_tokenizer_differs")
	}
	cases := r.meta.objects("strings")
	streams := r.meta.objects("decode")
	chats := r.meta.objects("chat_qwen3_template")
	if r.failed() {
		return
	}
	if len(cases) == 0 {
		r.fail(fmt.Errorf("%s: strings: none", metaFile))
		return
	}
	t, place, err := r.tokenizer()
	if t == nil && err == nil {
		r.leaveTokens(digest, len(cases), len(streams), len(chats))
		return
	}
	if err == nil && t.Digest() != digest {
		err = fmt.Errorf("%s: sha256 %s, want %s (%s: tokenizer_sha256)", place, t.Digest(), digest, metaFile)
	}
	r.fail(err)
	r.checkText(t, cases, streams, chats)
}

// checkText compares everything that t makes of the case.
func (r *run) checkText(t *tokenizer.Tokenizer, cases, streams, chats []*record) {
	if r.failed() {
		return
	}
	for i, m := range cases {
		r.checkString(t, i, m)
	}
	for i, m := range streams {
		r.checkStream(t, i, m)
	}
	r.checkChats(t, chats)
}

// tokenizerFile may stand beside case.json.
const tokenizerFile = "tokenizer.json"

// tokenizer returns the tokenizer of the case, else that of the options, else
// nil, and where it is from.
func (r *run) tokenizer() (t *tokenizer.Tokenizer, place string, err error) {
	data, err := fs.ReadFile(r.files, tokenizerFile)
	if err == nil {
		if t, err = tokenizer.Parse(data); err != nil {
			err = fmt.Errorf("%s: %w", tokenizerFile, err)
		}
		return t, tokenizerFile, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	if r.options.Tokenizer == "" {
		return nil, "", nil
	}
	t, err = tokenizer.Load(r.options.Tokenizer)
	return t, r.options.Tokenizer, err
}

// leaveTokens reports a case for which there is no tokenizer.
func (r *run) leaveTokens(digest string, strings, streams, chats int) {
	note := fmt.Sprintf("needs --tokenizer, sha256 %s", digest)
	for _, q := range []struct {
		name  string
		count int
	}{{"strings", strings}, {"decode", streams}, {"chat_qwen3_template", chats}} {
		var names []string
		for i := range q.count {
			names = append(names, fmt.Sprintf("%s.%d", q.name, i))
		}
		r.out.leave(q.name, NotChecked, note, names...)
	}
	r.meta.inner = nil // their keys are not worth a list of their own
}

// checkString compares the ids of a text and the text of its ids.
func (r *run) checkString(t *tokenizer.Tokenizer, i int, m *record) {
	text, ids := m.text("text"), m.integers("ids")
	decoded := text
	if m.has("decoded") {
		decoded = m.text("decoded")
	}
	plain := decoded
	if m.has("decoded_skip_special") {
		plain = m.text("decoded_skip_special")
	}
	if r.failed() {
		return
	}
	name := fmt.Sprintf("strings.%d %.40q", i, text)
	r.exact("ids", name, differences(t.Encode(text), ids))
	r.exact("decoded", name, unequal(t.Decode(ids, false), decoded))
	r.exact("decoded without special tokens", name, unequal(t.Decode(ids, true), plain))
}

// checkStream compares the text of ids that no text gave.
func (r *run) checkStream(t *tokenizer.Tokenizer, i int, m *record) {
	ids, decoded, plain := m.integers("ids"), m.text("decoded"), m.text("decoded_skip_special")
	if r.failed() {
		return
	}
	name := fmt.Sprintf("decode.%d %v", i, ids)
	r.exact("decoded", name, unequal(t.Decode(ids, false), decoded))
	r.exact("decoded without special tokens", name, unequal(t.Decode(ids, true), plain))
}

// checkChats compares rendered conversations.
func (r *run) checkChats(t *tokenizer.Tokenizer, chats []*record) {
	if len(chats) == 0 {
		return
	}
	renderer, err := prompt.New(t, 2) // the merge size plays no part without images
	if err != nil {
		r.fail(err)
		return
	}
	for i, m := range chats {
		name := fmt.Sprintf("chat_qwen3_template.%d", i)
		conversation := r.readConversation(m)
		text, err := renderer.Text(conversation, m.flag("generation_prompt"))
		if err != nil {
			r.fail(fmt.Errorf("%s: %w", name, err))
		}
		r.exact("rendered", name, unequal(text, m.text("rendered")))
	}
}

// readConversation reads messages with plain text contents.
func (r *run) readConversation(m *record) prompt.Conversation {
	var c prompt.Conversation
	for _, message := range m.objects("messages") {
		c.Messages = append(c.Messages, prompt.Message{
			Role:  prompt.Role(message.text("role")),
			Parts: []prompt.Part{{Text: message.text("content")}},
		})
	}
	return c
}
