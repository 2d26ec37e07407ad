# Closure of the wanted modules: dependencies (modules.dep) and softdeps (modules.softdep).
# Input, in this order: modules.builtin modules.dep modules.alias modules.softdep, then the lists.
# Output: one path below lib/modules/VERSION a line. Wanted but absent: "missing NAME LIST" on
# stderr and status 1; a softdep that is absent is only a wish and is passed over.

function key(name) {
	gsub(/-/, "_", name)
	return name
}

function stem(path) {
	sub(/.*\//, "", path)
	sub(/\.ko.*/, "", path)
	return key(path)
}

function want(name,   path, n, part, i) {
	name = key(name)
	if (name in done)
		return 1
	done[name] = 1
	if (name in path_of) {
		path = path_of[name]
		picked[path] = 1
		n = split(deps[name], part, " ")
		for (i = 1; i <= n; i++)
			want(stem(part[i]))
		n = split(soft[name], part, " ")
		for (i = 1; i <= n; i++)
			want(part[i])
		return 1
	}
	if (name in builtin)
		return 1
	if (name in alias) {
		n = split(alias[name], part, " ")
		for (i = 1; i <= n; i++)
			want(part[i])
		return 1
	}
	delete done[name]
	return 0
}

FNR == 1 {
	file++
	list = FILENAME
	sub(/.*\//, "", list)
}

file == 1 { builtin[stem($1)] = 1; next }
file == 2 {
	path = $1
	sub(/:$/, "", path)
	$1 = ""
	path_of[stem(path)] = path
	deps[stem(path)] = $0
	next
}
file == 3 && $1 == "alias" && $2 !~ /[*?[]/ { alias[key($2)] = alias[key($2)] " " $3; next }
file == 4 && $1 == "softdep" {
	for (i = 3; i <= NF; i++)
		if ($i !~ /:$/)
			soft[key($2)] = soft[key($2)] " " $i
	next
}
file <= 4 || /^[ \t]*(#|$)/ { next }
{
	if ($1 !~ /^[A-Za-z0-9_-]+$/ || NF < 2) {
		printf "bad line %d of %s: \"module, then why\" expected\n", FNR, list > "/dev/stderr"
		bad = 1
	} else if (!want($1)) {
		printf "missing %s %s\n", $1, list > "/dev/stderr"
		bad = 1
	}
}

END {
	if (bad)
		exit 1
	for (path in picked)
		print path
}
