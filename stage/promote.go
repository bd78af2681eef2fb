package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"mole/bundle"
	"mole/eval"
)

// Promote deploys the router of an evaluation if a rule says so (specification
// mole, 10).
type Promote struct {
	*Deploy
	Rule   Rule       // better
	Judged *Evaluated // what Eval returned
}

// Promoted is what came of Promote.
type Promoted struct {
	Deployed *Deployed // nil if the rule says no
	Why      string
}

// Run decides and, if the answer is yes, deploys.
func (p *Promote) Run(ctx context.Context) (*Promoted, error) {
	old, err := p.deployedReport(ctx)
	if err != nil {
		return nil, err
	}
	yes, why, err := Better(first(p.Rule, DeployIfBetter), p.Judged.Report, old, p.Judged.Report.Comparison)
	if err != nil || !yes {
		return &Promoted{Why: why}, err
	}
	done, err := p.Deploy.Run(ctx)
	return &Promoted{Deployed: done, Why: why}, err
}

// deployedReport returns the report of the deployed router, nil if none is
// deployed, and an empty one if nobody knows how good it is.
func (p *Place) deployedReport(ctx context.Context) (*eval.Report, error) {
	d, err := p.Deployed(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := fs.ReadFile(d.Tree.FS(ctx, p.Store), bundle.ReportFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &eval.Report{}, nil
	}
	if err != nil {
		return nil, err
	}
	var r eval.Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("report of the deployed router: %w", err)
	}
	return &r, nil
}

// Rule says when a new router takes the place of the deployed one.
type Rule string

// The rules. Whatever the rule but Never, a router is deployed if none was.
const (
	DeployIfBetter      Rule = "better"             // more right answers on the same test set
	DeployIfSignificant Rule = "better-significant" // and the paired sign test gives p below 0.05
	DeployAlways        Rule = "always"
	DeployNever         Rule = "never"
)

// significant is the p-value that a paired test must stay below.
const significant = 0.05

// Better decides by a rule whether a new router should take the place of the
// deployed one, and says why. fresh is the report about the new one, deployed
// that about the other, both on the same test set; nil if nothing is deployed.
// c compares the new one, A, with the deployed one, B, picture by picture; nil
// if that was not done. Where the figures cannot be compared, the answer is no.
func Better(rule Rule, fresh, deployed *eval.Report, c *eval.Comparison) (ok bool, why string, err error) {
	switch rule {
	case DeployAlways:
		return true, "rule always", nil
	case DeployNever:
		return false, "rule never", nil
	case DeployIfBetter, DeployIfSignificant:
		ok, why = better(rule, fresh, deployed, c)
		return ok, why, nil
	}
	return false, "", fmt.Errorf("rule %q, want better, better-significant, always or never", rule)
}

// better decides by the rules that compare.
func better(rule Rule, fresh, deployed *eval.Report, c *eval.Comparison) (ok bool, why string) {
	switch {
	case fresh == nil || fresh.Results.Total < 1:
		return false, "the new router has no report"
	case deployed == nil:
		return true, "nothing is deployed"
	case c != nil:
		return betterPaired(rule, c)
	case rule == DeployIfSignificant:
		return false, "the routers were not compared picture by picture"
	}
	return betterCounts(fresh, deployed)
}

// betterCounts decides by the reports.
func betterCounts(fresh, deployed *eval.Report) (ok bool, why string) {
	f, d := fresh.Results, deployed.Results
	switch {
	case d.Total < 1:
		return false, "the report of the deployed router has no figures"
	case fresh.DatasetName != deployed.DatasetName || fresh.Split != deployed.Split || f.Total != d.Total:
		return false, fmt.Sprintf("the reports are about other pictures: %d of %s, %d of %s", f.Total, fresh.DatasetName, d.Total, deployed.DatasetName)
	}
	return f.Correct > d.Correct, fmt.Sprintf("%d of %d right, the deployed one %d", f.Correct, f.Total, d.Correct)
}

// betterPaired decides by a comparison.
func betterPaired(rule Rule, c *eval.Comparison) (ok bool, why string) {
	why = fmt.Sprintf("%d pictures only the new one has right, %d only the deployed one, p = %.3g", c.OnlyA, c.OnlyB, c.P)
	return c.OnlyA > c.OnlyB && (rule == DeployIfBetter || c.P < significant), why
}
