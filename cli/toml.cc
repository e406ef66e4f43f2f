// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

// What the parser takes for granted does not always hold (3.3.0 trips over "[#"): that must be an error like any other.
[[noreturn]] static void not_understood()
{
	throw std::logic_error("the parser does not understand it");
}
#undef NDEBUG
#define TOML_ASSERT(expr) \
	do { \
		if (!(expr)) \
			not_understood(); \
	} while (0)
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 1
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>

#include <cstdio>
#include <cstring>
#include <sstream>

#include "toml.h"

struct toml_doc {
	::toml::table root;
};

// What would nest too deep for the parser's own recursion; the parser counts arrays and inline tables itself.
static bool dots_ok(const char *text, size_t len)
{
	size_t dots = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			dots = 0;
		else if (text[i] == '.' && ++dots > TOML_DOTS_MAX)
			return false;
	}
	return true;
}

struct toml_doc *toml_parse(const char *text, size_t len, char *why, size_t size)
{
	if (len > TOML_SIZE_MAX || !dots_ok(text, len)) {
		snprintf(why, size, "too long or too deep");
		return nullptr;
	}
	try {
		return new toml_doc{ ::toml::parse(std::string_view(text, len)) };
	} catch (const ::toml::parse_error &e) {
		const std::string_view said = e.description();

		snprintf(why, size, "line %u: %.*s", static_cast<unsigned>(e.source().begin.line),
			 static_cast<int>(said.size()), said.data());
	} catch (const std::exception &e) {
		snprintf(why, size, "%s", e.what());
	}
	return nullptr;
}

void toml_free(struct toml_doc *t)
{
	delete t;
}

char *toml_json(const struct toml_doc *t)
{
	try {
		std::ostringstream out;

		out << ::toml::json_formatter{ t->root };
		return strdup(out.str().c_str());
	} catch (const std::exception &) {
		return nullptr;
	}
}

size_t toml_line(const struct toml_doc *t, const char *const *path, size_t n)
{
	const ::toml::node *node = &t->root;

	for (size_t i = 0; i < n && node; i++) {
		const ::toml::table *table = node->as_table();

		node = table ? table->get(std::string_view(path[i])) : nullptr;
	}
	return node ? node->source().begin.line : 0;
}
