package synth

// prompts are the instructions of the tasks, written for MOLE: short and long,
// blunt and polite. None holds the name of an expert (13.2.10).
var prompts = map[string][]string{
	"click-day": {
		"Select {date}", "Click on {date} in the date picker", "Please choose {date}", "Go to {date}",
		"Set the date to {date}", "Could you click {date} for me?", "Pick {date} from the month view", "Mark {date}",
		"I need {date}, click it", "In this month view, click the cell for {date}",
	},
	"click-nav": {
		"Move {effect}", "Go {effect}", "Please move the date {effect}", "Click the button that goes {effect}",
		"Could you go {effect}?", "In the date picker, move {effect}", "Use the button to step {effect}", "Jump {effect}", "Take the date {effect}",
	},
	"click-today": {
		"Go to today's date", "Click Today", "Jump back to today", "Please select the current day", "Return the date picker to today",
		"Show today", "Use the button for the current date", "Could you set it to today?", "Press the Today button",
	},
	"scroll-page-down": {
		"Scroll the list down one page", "Show the next rows", "Please scroll down a page in the table", "Move one page further down",
		"Page down in the list", "Could you show the rows below these?", "Scroll down to see more lines", "I want to see what comes next in the table",
		"Scroll the rows down by a screenful",
	},
	"scroll-page-up": {
		"Scroll the list up one page", "Show the previous rows", "Please scroll up a page in the table", "Move one page back up",
		"Page up in the list", "Could you show the rows above these?", "Scroll up to see earlier lines", "I want to see what came before in the table",
		"Scroll the rows up by a screenful",
	},
	"scroll-to-top": {
		"Scroll to the very top of the list", "Go to the first row", "Please jump to the beginning of the table", "Show the start of the list",
		"Scroll all the way up", "Could you go back to the first line?", "Move to the top of the rows", "Bring the top of the table into view",
	},
	"scroll-to-bottom": {
		"Scroll to the very bottom of the list", "Go to the last row", "Please jump to the end of the table", "Show the end of the list",
		"Scroll all the way down", "Could you go to the final line?", "Move to the bottom of the rows", "Bring the end of the table into view",
	},
	"click-billing-provider": {
		"Open the billing provider list", "Click the billing provider field", "Please click on Billing Provider", "Show the choices for the billing provider",
		"I want to change who bills this claim", "Could you open the drop-down of the billing provider?", "Expand Billing Provider", "Click the box beside Billing Provider",
	},
	"click-treating-provider": {
		"Open the treating provider list", "Click the treating provider field", "Please click on Treating Provider", "Show the choices for the treating provider",
		"I want to change who treated the patient", "Could you open the drop-down of the treating provider?", "Expand Treating Provider", "Click the box beside Treating Provider",
	},
	"select-provider": {
		"Select {label} from the list", "Choose {label}", "Please pick {label} as the {field} provider", "Click {label} in the open list",
		"Set the {field} provider to {label}", "Could you select {label}?", "Change the {field} provider to {label}", "Take {label} from the drop-down", "In the claim form, select {label}",
	},
	"click-button": {
		"Click {label}", "Press the {label} button", "Please click on {label}", "Use the {label} button", "Could you press {label}?",
		"Find {label} and click it", "I want to press {label}", "Hit the button that says {label}", "Left click the button {label}",
	},
	"click-tab": {
		"Open the {label} tab", "Click the {label} tab", "Please switch to {label}", "Go to the {label} page", "Show {label}",
		"Could you open {label}?", "Switch the view to {label}", "Change to the tab named {label}", "Bring up the {label} tab",
	},
	"verify-codes": {
		"Do the codes of rows {a} and {b} agree?", "Compare the code in row {a} with the one in row {b}", "Check whether rows {a} and {b} have the same code",
		"Please verify that the code of row {a} matches row {b}", "Is the code in row {a} equal to that in row {b}?", "Verify the codes of lines {a} and {b} against each other",
		"Find the code cells of rows {a} and {b} for comparison", "Could you compare the codes in rows {a} and {b}?",
	},
	"click-appointment": {
		"Click the {colour} block with the {status} dot", "Select the {colour} entry that has a {status} circle", "Please click the {colour} visit with the {status} status",
		"Open the {colour} booking marked with a {status} circle", "Could you click the {colour} box with the {status} dot?", "On the schedule, select the {colour} block with the {status} mark",
		"Find the {colour} entry with a {status} dot and click it", "Choose the {colour} visit whose circle is {status}", "Left click the {colour} block, the one with the {status} circle",
	},
	"hover-appointment": {
		"Move the mouse over the {colour} block with the {status} dot", "Hover over the {colour} entry that has a {status} circle", "Please point at the {colour} visit with the {status} status",
		"Rest the pointer on the {colour} booking marked with a {status} circle", "Could you hover the {colour} box with the {status} dot?", "On the schedule, hover over the {colour} block with the {status} mark",
		"Bring the pointer to the {colour} entry with a {status} dot", "Show the tip of the {colour} visit whose circle is {status}",
	},
	"click-slot": {
		"Double click the free slot at {time} in {column}", "Book {time} in {column}", "Please open a new visit at {time} in the column {column}", "Start a booking in {column} at {time}",
		"Could you double click {time} under {column}?", "On the schedule, double click {column} at {time}", "Use the empty {time} slot of {column}", "Make a new entry at {time} in {column}",
	},
	"scroll-schedule": {
		"Scroll the schedule {direction}", "Move the view {direction}", "Please scroll {direction}", "Show what lies further {direction}",
		"Could you scroll the plan {direction}?", "Shift the schedule {direction}", "Scroll the columns and times {direction}", "Go further {direction} in the schedule",
	},
	"select-user": {
		"Select the user {name}", "Click {name} in the list", "Please choose {name}", "Sign in as {name}: select the name first", "Pick {name} from the users",
		"Could you select {name}?", "Find {name} and click it", "Highlight {name} in the user list", "Choose {name} in the sign-in dialog",
	},
	"enter-password": {
		"Enter the password {text}", "Type {text} into the password field", "Please fill in the password {text}", "Click the password field and type {text}",
		"Put {text} in as the password", "Could you enter {text} as the password?", "The password is {text}, type it", "Complete the sign-in dialog with the password {text}",
	},
	"click-ok": {
		"Click OK", "Confirm the sign-in", "Please press OK", "Log me in now", "Submit the user and password", "Could you press the OK button?",
		"Finish signing in", "Accept the dialog", "Continue with the selected user",
	},
	"click-exit": {
		"Click Exit", "Leave the program", "Please press Exit", "Close this dialog without signing in", "Cancel the sign-in", "Could you press the Exit button?",
		"I do not want to sign in, leave", "Quit the program from here", "Use Exit",
	},
	"dclick-desktop-icon": {
		"Open {label}", "Double click the {label} icon", "Please start {label}", "Launch {label} from the workspace", "Could you open {label}?",
		"Start the program {label}", "Find {label} and double click it", "Run {label}", "Double click {label} among the icons",
	},
	"dclick-taskbar-icon": {
		"Double click {label} in the task bar", "Open {label} from the task bar", "Please start {label} with its task bar icon", "Use the task bar to launch {label}",
		"In the bar at the bottom, double click {label}", "Could you open {label} in the task bar?", "Start {label} from the task bar at the bottom", "Double click the task bar symbol of {label}",
	},
	"wait-loading": {
		"What should be done while the program starts?", "A program is loading. What now?", "The window is still loading, what is the next step?", "Please do what is right while this is loading",
		"Nothing can be clicked yet. What do you do?", "Handle the loading screen", "The program is starting up. Continue properly", "What is the right action during start-up?",
		"Open {label}", "Double click {label}", "Please start {label}", "Could you open {label}?", "Launch {label}", "Run {label}", "Start the program {label}", "Find {label} and open it",
	},
	"select-row": {
		"Select the row of {date} with code {code}", "Click the entry {code} of {date}", "Please choose the line dated {date} with the code {code}", "Mark the note {code} from {date}",
		"Find {code} on {date} and click it", "Could you select {code} of {date}?", "Highlight the row for {code}, {date}", "In the patient's record, click {code} of {date}", "Go to the line {date}, {code}",
	},
	"click-tooth": {
		"Click tooth {tooth}", "Select tooth number {tooth}", "Please choose tooth {tooth}", "Mark tooth {tooth} in the diagram", "Could you click tooth {tooth}?",
		"In the tooth diagram, click number {tooth}", "Pick tooth {tooth}", "Highlight number {tooth} in the tooth rows",
	},
	"ocr": {
		"Read the text", "Transcribe this", "What does it say?", "Please read all the text here", "Extract the text", "Write down every word you see", "Give me the text of this picture",
		"Copy out what is written", "Could you transcribe the text?", "Return the exact text", "Turn this picture into text", "Read this out, line by line", "List the text as it stands",
		"Type out the contents of this cut-out",
	},
}
