# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Completion of instar's command line for bash(1) 4.4 and later.
#
# Subcommands and options are read from --help whenever they are asked for, which takes a few
# milliseconds, so that there is no second list of them.  What may follow an option is what the
# usage has in braces, or known by the name that the help gives to its argument, like FMT.
#
# Names of bitmaps come from an image, so they are hostile: none is ever evaluated, each is
# quoted where it is inserted, and those that could steer a terminal are not offered.
#
# The functions share the variables that _instar declares; what one returns is in REPLY.

# The word as the shell would take it; false where that would need an evaluation.
_instar_plain()
{
        REPLY=$1
        case $REPLY in
        *[\$\`]*) return 1 ;;
        \"*) REPLY=${REPLY#\"} REPLY=${REPLY%\"} ;;
        \'*) REPLY=${REPLY#\'} REPLY=${REPLY%\'} ;;
        *) REPLY=${REPLY//\\/} ;;
        esac
        # shellcheck disable=SC2088
        [[ $REPLY != '~/'* ]] || REPLY=$HOME/${REPLY#'~/'}
}

# The words up to the cursor, in `words`.  COMP_WORDS has --output=json and monday:2 in pieces,
# because readline breaks words at = and :, and only the line knows that no blank is between them.
_instar_take_words()
{
        local rest=${COMP_LINE:0:COMP_POINT} before='' piece blanks i
        for ((i = 0; i <= COMP_CWORD; i++)); do
                piece=${COMP_WORDS[i]}
                blanks=${rest%%[![:blank:]]*}
                rest=${rest#"$blanks"}
                ((i < COMP_CWORD)) || piece=$rest # what is behind the cursor does not count
                if ((i > 0)) && [[ -z $blanks && $before$piece == *[=:]* ]]; then
                        words[-1]+=$piece
                else
                        words+=("$piece")
                fi
                rest=${rest#"$piece"}
                before=$piece
        done
        # What readline is going to replace: nothing yet behind a break.
        last=$piece
        [[ $last != [=:] ]] || last=
}

# Offer those of the words that begin like the current one.  Readline replaces only what is
# behind the last break, so what stands before that is left away.
_instar_offer()
{
        local begun head word quoted
        _instar_plain "$current" && begun=$REPLY || return 0
        _instar_plain "${current%"$last"}" && head=$REPLY || return 0
        for word in "$@"; do
                [[ $word == "$begun"* ]] || continue
                word=${word#"$head"}
                printf -v quoted %q "$word"
                case $last in
                # Readline inserts the word as it is, and insert-completions takes the quotes
                # away: only what the shell would not evaluate without them.
                [\"\']*) [[ ${quoted//\\ / } == "$word" ]] || continue ;;
                *) word=$quoted ;;
                esac
                COMPREPLY+=("$word")
        done
}

# Neither files nor anything else that bash would offer of its own accord.
_instar_no_files()
{
        compopt +o default +o bashdefault 2>/dev/null
}

_instar_directories()
{
        _instar_no_files
        compopt -o dirnames 2>/dev/null
}

_instar_help()
{
        "$program" "$@" --help 2>/dev/null </dev/null
}

_instar_offer_subcommands()
{
        local line found=() listed=''
        while IFS= read -r line; do
                case $listed$line in
                Subcommands:) listed=yes ;;
                yes) break ;;
                yes*) [[ $line =~ ^'  '([a-z]+)' ' ]] && found+=("${BASH_REMATCH[1]}") ;;
                esac
        done < <(_instar_help)
        _instar_offer "${found[@]}"
}

# `options`: the long ones; `argument_of`: an option, long or short -> its argument's name, or
# the values that the usage has for it: "--output {human,json}".
_instar_read_options()
{
        local line rest short long argument values='(-[^ ]+) \{([^ }]+)\}(.*)'
        local option='^ {2,6}((-[[:alnum:]]), )?(--[a-z-]+)( ([^ ]+))?(  |$)'
        while IFS= read -r line; do
                rest=$line
                while [[ $rest =~ $values ]]; do
                        argument_of[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
                        rest=${BASH_REMATCH[3]}
                done
                [[ $line =~ $option ]] || continue
                short=${BASH_REMATCH[2]} long=${BASH_REMATCH[3]} argument=${BASH_REMATCH[5]}
                options+=("$long")
                [[ -n $argument ]] || continue
                argument=${argument_of[${short:-$long}]-${argument_of[$long]-$argument}}
                argument_of[$long]=$argument
                [[ -z $short ]] || argument_of[$short]=$argument
        done < <(_instar_help "$1")
}

# What the words before the current one leave to be completed: `wanted`, the argument's name
# of an option, or ""; `positional`, the arguments that are of no option.
_instar_walk()
{
        local word i
        for ((i = 2; i < ${#words[@]} - 1; i++)); do
                word=${words[i]}
                if [[ -n $wanted ]]; then
                        wanted=
                elif [[ -n $only_positional || $word != -?* ]]; then
                        positional+=("$word")
                elif [[ $word == -- ]]; then
                        only_positional=yes
                elif [[ $word == --remove-all ]]; then
                        names_no_bitmap=yes
                elif [[ $word == --all ]]; then
                        takes_directories=yes
                else
                        wanted=${argument_of[$word]-}
                fi
        done
        # --output=js
        if [[ -z $wanted && -z $only_positional && $current == --*=* ]]; then
                wanted=${argument_of[${current%%=*}]-}
                current=${current#*=}
        fi
}

# A string of JSON as text; false for what no terminal should be sent, and what is no text.
_instar_text_of_json()
{
        local rest=$1 text='' character
        while [[ $rest =~ ^([^\\]*)\\(u([0-9A-F]{4})|[\"\\])(.*)$ ]]; do
                character=${BASH_REMATCH[2]}
                case ${BASH_REMATCH[3]} in
                '') ;;
                # Controls, surrogates, what turns or hides text, the mark of bytes that are none.
                00[0-9]* | D[89A-F]* | 20[0-6]* | 061C | FE* | FF*) return 1 ;;
                *) printf -v character %b "\\u${BASH_REMATCH[3]}" ;;
                esac
                [[ $character != \\u* ]] || return 1 # the locale does not have it
                text+=${BASH_REMATCH[1]}$character
                rest=${BASH_REMATCH[4]}
        done
        [[ $rest != *\\* && $text$rest != *[[:cntrl:]]* ]] || return 1
        REPLY=$text$rest
}

# The bitmaps of the image that is the first positional argument, if there is one already.
_instar_offer_bitmaps()
{
        local line indent inside='' found=() image
        _instar_no_files
        _instar_plain "${positional[0]-}" && image=$REPLY || return 0
        [[ -f $image || -b $image ]] || return 0
        while IFS= read -r line; do
                if [[ $line =~ ^(' '*)'"bitmaps": ['$ ]]; then
                        inside=yes indent=${BASH_REMATCH[1]}
                elif [[ -n $inside && $line == "$indent]"* ]]; then
                        break
                elif [[ -n $inside && $line =~ ^' '*'"name": "'(.*)'"',?$ ]]; then
                        _instar_text_of_json "${BASH_REMATCH[1]}" && found+=("$REPLY")
                fi
        done < <(timeout 5 "$program" info -U --output json -- "$image" 2>/dev/null </dev/null)
        _instar_offer "${found[@]}"
}

# The argument of an option.
_instar_argument()
{
        local choices=()
        case $wanted in
        DIR) _instar_directories ;;
        FILE) ;;
        NAME | SOURCE) _instar_offer_bitmaps ;;
        *)
                _instar_no_files
                case $wanted in
                FMT) choices=(qcow2) ;;
                *,*) IFS=, read -ra choices <<<"$wanted" ;;
                esac
                _instar_offer "${choices[@]}"
                ;;
        esac
}

_instar_positional()
{
        case $subcommand-${#positional[@]} in
        help-0)
                _instar_no_files
                _instar_offer_subcommands
                ;;
        journal-0)
                _instar_no_files
                _instar_offer show
                ;;
        journal-1) ;;
        check-*) [[ -z $takes_directories ]] || _instar_directories ;;
        bitmap-1) [[ -n $names_no_bitmap ]] || _instar_offer_bitmaps ;;
        help-* | *-[1-9]*) _instar_no_files ;;
        esac
}

_instar()
{
        local IFS=$' \t\n' REPLY words=() current last program subcommand options=() wanted=
        local positional=() only_positional='' names_no_bitmap='' takes_directories=''
        local -A argument_of=()

        COMPREPLY=()
        _instar_take_words
        current=${words[-1]}
        _instar_plain "${words[0]}" && program=$REPLY || return 0
        if ((${#words[@]} == 2)); then
                _instar_no_files
                case $current in
                -*) _instar_offer --help --version ;;
                *) _instar_offer_subcommands ;;
                esac
                return 0
        fi
        if [[ ${words[1]} == @(-V|--version) ]]; then
                _instar_no_files
                ((${#words[@]} > 3)) || _instar_offer --verbose
                return 0
        fi
        subcommand=${words[1]}
        _instar_read_options "$subcommand"
        _instar_walk
        if [[ -n $wanted ]]; then
                _instar_argument
        elif [[ -z $only_positional && $current == -* ]]; then
                _instar_no_files
                _instar_offer "${options[@]}"
        else
                _instar_positional
        fi
        return 0
}

complete -o bashdefault -o default -F _instar instar
