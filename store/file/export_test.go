package file

// OpenLax is Open of a store that flushes nothing to the disk. A process that
// is killed loses no less and no more; only a loss of power would.
func OpenLax(dir string) (*Store, error) {
	s, err := Open(dir)
	if err == nil {
		s.lax = true
	}
	return s, err
}
