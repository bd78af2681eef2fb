package prompt

import "fmt"

// ComputerV1 is the id of the first prompt of experts that use a computer. The
// text of an id never changes: experts were trained with it.
const ComputerV1 = "cua-v1"

// ComputerSystem returns the system prompt of an expert that uses a computer:
// what it is to do, and the one function that it calls.
func ComputerSystem(id string) (string, error) {
	if id != ComputerV1 {
		return "", fmt.Errorf("expert prompt %q, want %q", id, ComputerV1)
	}
	return computerV1, nil
}

// computerV1 is the text of ComputerV1.
const computerV1 = "You see a screenshot and get one instruction. Carry it out by calling the function computer_use. " +
	"Coordinates are two integers from 0 to 1000, from the left and from the top of the picture.\n\n" +
	`Answer with one block per call: <tool_call>, a line with {"name": "computer_use", "arguments": {"action": ACTION, ...}}, </tool_call>.`
