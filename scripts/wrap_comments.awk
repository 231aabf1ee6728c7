# Shorten comments that reach beyond 120 characters. One behind code moves to a line of its own above it; of lines that are
# nothing but comment, what is too long moves to the next line, or to a new one before an indented example. clang-format
# could do this only by also refilling the examples.
function characters(text) {
    gsub(/[\200-\277]/, "", text)
    return length(text)
}

{ line[++n] = $0 }

END {
    for (i = 1; i <= n; i++) {
        text = line[i]
        if (characters(text) > 120 && text ~ /^ *[^} ].*[;,{] +\/\* [^*]*\*\/$/ && text !~ /^ *(\/\*|\*)/) {
            at = match(text, /\/\* [^*]*\*\/$/)
            match(text, /^ */)
            line[i] = substr(text, 1, RLENGTH) substr(text, at)
            code = substr(text, 1, at - 1)
            sub(/ +$/, "", code)
            for (j = ++n; j > i + 1; j--) line[j] = line[j - 1]
            line[i + 1] = code
            text = line[i]
        }
        while (characters(text) > 120 && text ~ /--- \*\/$/) sub(/- \*\/$/, " */", text)
        # Only lines that are nothing but comment.
        if (characters(text) <= 120 || text !~ /^ *(\/\*|\*) / || text ~ /\\$/) {
            print text
            continue
        }
        match(text, /^ */)
        prefix = substr(text, 1, RLENGTH) (text ~ /^ *\/\*/ ? " * " : "* ")
        rest = ""
        while (characters(text) > 120 || rest == " */") {
            cut = length(text)
            while (cut > 0 && substr(text, cut, 1) != " ") cut--
            rest = substr(text, cut) rest
            text = substr(text, 1, cut - 1)
        }
        print text
        rest = substr(rest, 2)
        following = line[i + 1]
        if (rest !~ /\*\/$/ && index(following, prefix) == 1 && substr(following, length(prefix) + 1) ~ /^[^ ]/)
            line[i + 1] = prefix rest " " substr(following, length(prefix) + 1)
        else {
            line[i] = prefix rest
            i--
        }
    }
}
