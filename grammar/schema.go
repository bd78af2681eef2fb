package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Limits of tools, which come from clients.
const (
	maxTools  = 128
	maxSchema = 256 << 10 // bytes of all tools
	maxDepth  = 32        // of objects and arrays that are declared
	maxItems  = 1024      // that an array may ask for
	maxFree   = 12        // of those that are not declared
	maxName   = 64        // letters of a name, where there are no tools
)

// What stands around the name and the arguments of a call, as the template of
// Qwen3-VL writes it.
const (
	head = "\n{\"name\": \""
	mid  = ", \"arguments\": "
	tail = "}\n"
)

// kinds is a set of types of JSON values. A number that need not be an integer
// is both.
type kinds uint8

const (
	kindObject kinds = 1 << iota
	kindArray
	kindString
	kindNumber
	kindInteger
	kindBool
	kindNull
	anyKind = kindObject | kindArray | kindString | kindNumber | kindInteger | kindBool | kindNull
)

// kindOf are the types by name.
var kindOf = map[string]kinds{
	"object": kindObject, "array": kindArray, "string": kindString, "number": kindNumber | kindInteger,
	"integer": kindInteger, "boolean": kindBool, "null": kindNull,
}

// value says what a JSON value must be.
type value struct {
	kinds  kinds
	words  *words // it is one of these, whatever its kind
	object *object
	array  *array
	cost   int
}

// object says what an object must hold.
type object struct {
	undeclared bool
	members    []member
	required   memberSet
	keys       *words // of the members
	other      *value // of members that are not declared, nil for none
	free       []int  // costs of ", "": ", at each place
}

// member is a declared member of an object.
type member struct {
	value    *value
	required bool
	length   int   // of the key, with its escapes
	costs    []int // of ", "key": ", at each place
}

// open reports whether a member may come.
func (o *object) open(used memberSet) bool { return o.other != nil || o.reach(0, used) }

// reach reports whether an unused key goes by a node.
func (o *object) reach(at int32, used memberSet) bool {
	return slices.ContainsFunc(o.keys.nodes[at].below, func(i int32) bool { return !used.has(i) })
}

// full reports whether all required members are used.
func (o *object) full(used memberSet) bool {
	return o.required[0]&^used[0] == 0 && o.required[1]&^used[1] == 0
}

// array says what an array must hold.
type array struct {
	undeclared  bool
	item        *value
	least, most int
}

// Grammar says what an answer may be. It does not change and is safe for
// concurrent use.
type Grammar struct {
	vocabulary *Vocabulary
	names      *words           // nil for any name
	arguments  []*value         // of each tool
	undeclared *value           // arguments of any name
	named      map[kinds]*value // true, false and null

	headCosts, midCosts, tailCosts []int
}

// tool returns what the arguments of a tool must be.
func (g *Grammar) tool(i int32) *value {
	if i == free {
		return g.undeclared
	}
	return g.arguments[i]
}

// ToolCalls returns the grammar of calls of the given tools, each an object
// {"type": "function", "function": {"name", "parameters"}} or the function
// itself; without tools, of calls of any name with any arguments. An error says
// what is wrong with which tool.
func (v *Vocabulary) ToolCalls(tools []json.RawMessage) (*Grammar, error) {
	size := 0
	for _, t := range tools {
		size += len(t)
	}
	if len(tools) > maxTools || size > maxSchema {
		return nil, fmt.Errorf("%d tools of %d bytes, want at most %d of %d", len(tools), size, maxTools, maxSchema)
	}
	c := newCompiler(v)
	g := &Grammar{vocabulary: v, named: c.named, headCosts: v.all.costs(head), midCosts: v.all.costs(mid), tailCosts: v.all.costs(tail)}
	g.undeclared = &value{kinds: kindObject, object: c.any.object, cost: 2}
	if len(tools) > 0 {
		g.names = newWords()
	}
	for i, t := range tools {
		name, arguments, err := c.tool(t)
		if err != nil {
			return nil, fmt.Errorf("tool %d: %w", i, err)
		}
		costs := v.all.costs(name + `"`)
		for d := range costs {
			costs[d] += arguments.cost
		}
		if !g.names.add(name, int32(i), costs) {
			return nil, fmt.Errorf("tool %d: the name %q appears twice", i, name)
		}
		g.arguments = append(g.arguments, arguments)
	}
	return g, nil
}

// compiler makes values of schemas.
type compiler struct {
	vocabulary *Vocabulary
	free       []int
	any        *value
	named      map[kinds]*value
}

// newCompiler returns a compiler for a vocabulary.
func newCompiler(v *Vocabulary) *compiler {
	c := &compiler{vocabulary: v, free: v.all.costs(`, "": `)}
	c.any = &value{kinds: anyKind, cost: 1}
	c.any.object = &object{undeclared: true, keys: newWords(), other: c.any, free: c.free}
	c.any.array = &array{undeclared: true, item: c.any, most: math.MaxInt32}
	c.named = map[kinds]*value{kindNull: c.one("null"), kindBool: c.one("true", "false")}
	return c
}

// one returns the value that is one of some texts.
func (c *compiler) one(texts ...string) *value {
	w := newWords()
	for i, t := range texts {
		w.add(t, int32(i), c.vocabulary.all.costs(t))
	}
	return &value{words: w, cost: w.nodes[0].cost}
}

// tool reads a tool.
func (c *compiler) tool(raw json.RawMessage) (name string, arguments *value, err error) {
	var t struct {
		Function   json.RawMessage `json:"function"`
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return "", nil, fmt.Errorf("%.100s: %w", raw, err)
	}
	if t.Function != nil {
		if err := json.Unmarshal(t.Function, &t); err != nil {
			return "", nil, fmt.Errorf("function: %w", err)
		}
	}
	if t.Name == "" || strings.ContainsFunc(t.Name, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == '\uFFFD' }) {
		return "", nil, fmt.Errorf("name %q, want one that JSON holds without escapes", t.Name)
	}
	arguments, err = c.parameters(t.Parameters)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	return t.Name, arguments, nil
}

// parameters reads the schema of the arguments, which are an object.
func (c *compiler) parameters(raw json.RawMessage) (*value, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return &value{kinds: kindObject, object: c.any.object, cost: 2}, nil
	}
	v, err := c.schema(raw, place{"parameters", 1})
	if err != nil {
		return nil, err
	}
	if v.kinds&kindObject == 0 || v.words != nil {
		return nil, errors.New("parameters: want the type object and no enum")
	}
	out := &value{kinds: kindObject, object: v.object}
	out.cost = c.cost(out)
	return out, nil
}

// schema is what is read of a JSON schema.
type schema struct {
	Type       json.RawMessage            `json:"type"`
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
	Additional json.RawMessage            `json:"additionalProperties"`
	Items      json.RawMessage            `json:"items"`
	MinItems   int                        `json:"minItems"`
	MaxItems   *int                       `json:"maxItems"`
	Enum       []json.RawMessage          `json:"enum"`
	Const      json.RawMessage            `json:"const"`
}

// place is where a schema stands.
type place struct {
	path  string
	depth int
}

// below returns the place of a part.
func (p place) below(part string) place { return place{p.path + "." + part, p.depth + 1} }

// schema reads a schema.
func (c *compiler) schema(raw json.RawMessage, p place) (*value, error) {
	if p.depth > maxDepth {
		return nil, fmt.Errorf("%s: schemas are nested more than %d deep", p.path, maxDepth)
	}
	if text := string(bytes.TrimSpace(raw)); text == "true" || text == "{}" {
		return c.any, nil
	}
	var s schema
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", p.path, err)
	}
	k, err := s.kinds()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.path, err)
	}
	if s.Enum != nil {
		return c.enum(k, s.Enum, p)
	}
	if s.Const != nil {
		return c.enum(k, []json.RawMessage{s.Const}, p)
	}
	return c.open(k, &s, p)
}

// open returns the value of some kinds.
func (c *compiler) open(k kinds, s *schema, p place) (*value, error) {
	v := &value{kinds: k}
	var err error
	if v.object, err = c.object(s, p); err != nil {
		return nil, err
	}
	if v.array, err = c.array(s, p); err != nil {
		return nil, err
	}
	v.cost = c.cost(v)
	return v, nil
}

// kinds reads the type of a schema. Without one it is what the other keys speak
// of, or any.
func (s *schema) kinds() (k kinds, err error) {
	switch {
	case s.Type != nil:
	case s.Properties != nil:
		return kindObject, nil
	case s.Items != nil:
		return kindArray, nil
	default:
		return anyKind, nil
	}
	names := make([]string, 1)
	if s.Type[0] == '[' {
		err = json.Unmarshal(s.Type, &names)
	} else {
		err = json.Unmarshal(s.Type, &names[0])
	}
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("type %.40s, want a name or a list of names", s.Type)
	}
	for _, n := range names {
		if kindOf[n] == 0 {
			return 0, fmt.Errorf("type %.40q, want one of JSON schema", n)
		}
		k |= kindOf[n]
	}
	return k, nil
}

// enum returns the value that is one of some, as far as their kind is allowed.
func (c *compiler) enum(k kinds, list []json.RawMessage, p place) (*value, error) {
	w := newWords()
	for i, raw := range list {
		text, err := plain(raw)
		if err != nil {
			return nil, fmt.Errorf("%s.enum: value %d: %w", p.path, i, err)
		}
		if kindOfText(text)&k != 0 {
			w.add(text, int32(i), c.vocabulary.all.costs(text))
		}
	}
	if len(w.nodes) == 1 {
		return nil, fmt.Errorf("%s.enum: no value of the type", p.path)
	}
	return &value{kinds: k, words: w, cost: w.nodes[0].cost}, nil
}

// plain returns JSON without white space and without escapes that need not be.
func plain(raw json.RawMessage) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// kindOfText returns the kinds that a JSON text is of.
func kindOfText(text string) kinds {
	if kindOfByte(text[0])&kindInteger != 0 && strings.ContainsAny(text, ".eE") {
		return kindOfByte(text[0]) &^ kindInteger
	}
	return kindOfByte(text[0])
}

// object reads what a schema says of objects.
func (c *compiler) object(s *schema, p place) (*object, error) {
	if s.Properties == nil && s.Required == nil && s.Additional == nil {
		return c.any.object, nil
	}
	o := &object{keys: newWords(), free: c.free}
	var err error
	if o.other, err = c.additional(s, p); err != nil {
		return nil, err
	}
	keys := slices.Sorted(maps.Keys(s.Properties))
	for _, k := range s.Required {
		if _, ok := s.Properties[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		if err := c.member(o, s, k, p); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// additional returns what members that are not declared must be.
func (c *compiler) additional(s *schema, p place) (*value, error) {
	switch text := string(s.Additional); text {
	case "false":
		return nil, nil
	case "":
		if s.Properties == nil {
			return c.any, nil
		}
		return nil, nil
	}
	return c.schema(s.Additional, p.below("additionalProperties"))
}

// member adds a member to o.
func (c *compiler) member(o *object, s *schema, key string, p place) error {
	if len(o.members) == maxMembers || key == "" {
		return fmt.Errorf("%s: key %q, want up to %d that are not empty", p.path, key, maxMembers)
	}
	m := member{value: c.any, required: slices.Contains(s.Required, key)}
	if raw, ok := s.Properties[key]; ok {
		var err error
		if m.value, err = c.schema(raw, p.below(key)); err != nil {
			return err
		}
	}
	quoted, err := plain(quote(key))
	if err != nil {
		return fmt.Errorf("%s.%s: %w", p.path, key, err)
	}
	i := int32(len(o.members))
	m.costs = c.vocabulary.all.costs(", " + quoted + ": ")
	text := quoted[1 : len(quoted)-1]
	m.length = len(text)
	if strings.Contains(text, `\`) {
		return fmt.Errorf("%s: key %s, want one that JSON holds without escapes", p.path, quoted)
	}
	if !o.keys.add(text, i, m.costs[3:]) {
		return fmt.Errorf("%s: key %s appears twice", p.path, quoted)
	}
	if m.required {
		o.required.add(i)
	}
	o.members = append(o.members, m)
	return nil
}

// quote returns a string as JSON.
func quote(s string) json.RawMessage {
	out, err := json.Marshal(s)
	if err != nil {
		panic("grammar: " + err.Error()) // strings have a form in JSON
	}
	return out
}

// array reads what a schema says of arrays.
func (c *compiler) array(s *schema, p place) (*array, error) {
	if s.Items == nil && s.MinItems == 0 && s.MaxItems == nil {
		return c.any.array, nil
	}
	a := &array{item: c.any, least: s.MinItems, most: math.MaxInt32}
	if s.MaxItems != nil {
		a.most = min(a.most, *s.MaxItems)
	}
	if a.least < 0 || a.least > maxItems || a.most < a.least {
		return nil, fmt.Errorf("%s: minItems %d and maxItems %d, want 0 to %d and no less", p.path, a.least, a.most, maxItems)
	}
	var err error
	if s.Items != nil {
		a.item, err = c.schema(s.Items, p.below("items"))
	}
	return a, err
}

// cost returns the cost of the cheapest kind of value.
func (c *compiler) cost(v *value) int {
	best := maxCost
	for _, k := range []struct {
		kind kinds
		cost func() int
	}{
		{kindObject, func() int { return 1 + v.object.cost(&frame{value: v}) }},
		{kindArray, func() int { return 1 + v.array.cost(0) }},
		{kindString, func() int { return 2 }},
		{kindNumber | kindInteger, func() int { return 1 }},
		{kindBool, func() int { return c.named[kindBool].cost }},
		{kindNull, func() int { return c.named[kindNull].cost }},
	} {
		if v.kinds&k.kind != 0 {
			best = min(best, k.cost())
		}
	}
	return best
}
