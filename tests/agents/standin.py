#!/usr/bin/env python3
"""A stand-in for the models' APIs: real agent programs talk to it and do what a script says.

    standin.py SCRIPT.json      prints its port, serves until its stdin ends

Anthropic's POST /v1/messages, OpenAI's POST /v1/responses and /v1/chat/completions, as far as Claude Code, Codex
and aider use them. SCRIPT maps a word that a person's message holds to the steps of the turn that answers it, one a
request: the step is told by the number of tool results since. A step is one of

    {"say": TEXT}  {"run": COMMAND}  {"write": PATH, "text": TEXT}  {"ask": QUESTION, "options": [..]}  {"fail": STATUS}

and may have "gate": NAME: its answer waits until POST /release/NAME; GET /await/NAME answers once it waits.
What holds none of the words (titles, summaries) is answered with a word of no consequence."""
import http.server
import json
import sys
import threading

SCRIPT = json.load(open(sys.argv[1]))
COME, OPEN = {}, {}
LOCK = threading.Lock()


def gate(table, name):
    with LOCK:
        return table.setdefault(name, threading.Event())


def texts(content):
    if isinstance(content, str):
        return content
    return "\n".join(c.get("text", "") for c in content or [] if isinstance(c, dict))


def step(items):
    """The step that a conversation has come to; `items` are (is a person's, text, number of tool results)."""
    turn, done = None, 0
    for person, text, results in items:
        words = [w for w in SCRIPT if person and w in text]
        if words:
            turn, done = SCRIPT[max(words, key=text.rindex)], 0
        done += results
    if turn is None:
        return {"say": "Fine."}
    return turn[done] if done < len(turn) else {"say": "All done here."}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.startswith("/await/"):
            gate(COME, self.path[7:]).wait()
        self.answer({"data": [], "models": []})

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/release/"):
            gate(OPEN, self.path[9:]).set()
            return self.answer({})
        try:
            body = json.loads(body or "{}")
            path = self.path.split("?")[0].rstrip("/")
            if path.endswith("/count_tokens"):
                return self.answer({"input_tokens": 10})
            for end, serve in (
                ("/messages", self.anthropic),
                ("/responses", self.openai),
                ("/chat/completions", self.chat),
            ):
                if path.endswith(end):
                    return serve(body)
            self.answer({"error": {"message": "no such path"}}, 404)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, value, status=200):
        out = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, kind, **data):
        text = f"event: {kind}\ndata: {json.dumps(dict(type=kind, **data))}\n\n"
        self.wfile.write(text.encode())
        self.wfile.flush()

    def wait(self, now):
        """Holds a step at its gate; true where it is to fail, which was said then."""
        if "gate" in now:
            gate(COME, now["gate"]).set()
            gate(OPEN, now["gate"]).wait()
        if "fail" in now:
            kind = now.get("kind", "invalid_request_error")
            self.answer({"type": "error", "error": {"type": kind, "message": "the stand-in fails"}}, now["fail"])
            return True
        return False

    def anthropic(self, body):
        items = []
        for m in body.get("messages", []):
            blocks = m["content"] if isinstance(m["content"], list) else []
            results = sum(b.get("type") == "tool_result" for b in blocks)
            items.append((m["role"] == "user", texts(m["content"]), results))
        now = step(items) if body.get("tools") else {"say": "Fine."}
        if self.wait(now):
            return
        place = sum(i[2] for i in items)
        tool = None
        if "run" in now:
            tool = "Bash", {"command": now["run"], "description": now.get("why", "run it")}
        elif "write" in now:
            tool = "Write", {"file_path": now["write"], "content": now["text"]}
        elif "ask" in now:
            options = [{"label": o, "description": o} for o in now["options"]]
            question = {"question": now["ask"], "header": "Choice", "options": options, "multiSelect": False}
            tool = "AskUserQuestion", {"questions": [question]}
        if tool:
            content = {"type": "tool_use", "id": f"toolu_{place}", "name": tool[0], "input": tool[1]}
        else:
            content = {"type": "text", "text": now["say"]}
        reason = "tool_use" if tool else "end_turn"
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {"id": f"msg_{place}", "type": "message", "role": "assistant", "model": body.get("model")}
        message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        if not body.get("stream"):
            return self.answer(message | {"content": [content], "stop_reason": reason})
        self.stream()
        self.event("message_start", message=message)
        if tool:
            delta = {"type": "input_json_delta", "partial_json": json.dumps(tool[1])}
            self.event("content_block_start", index=0, content_block=content | {"input": {}})
        else:
            delta = {"type": "text_delta", "text": now["say"]}
            self.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        self.event("content_block_delta", index=0, delta=delta)
        self.event("content_block_stop", index=0)
        self.event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)
        self.event("message_stop")

    def openai(self, body):
        items = []
        given = body.get("input", [])
        for i in given if isinstance(given, list) else [{"type": "message", "role": "user", "content": given}]:
            result = i.get("type") in ("function_call_output", "custom_tool_call_output")
            items.append((i.get("role") == "user", texts(i.get("content")), int(result)))
        now = step(items) if body.get("tools") else {"say": "Fine."}
        if self.wait(now):
            return
        place = sum(i[2] for i in items)
        command = now.get("run")
        if "write" in now:
            command = f"cat >{now['write']} <<'END'\n{now['text']}\nEND"
        if command:
            call = {"cmd": command}
            if now.get("escalate"):
                call |= {"sandbox_permissions": "require_escalated", "justification": now.get("why", "May I run it?")}
            item = {"type": "function_call", "id": f"f{place}", "call_id": f"c{place}", "name": "exec_command"}
            item |= {"arguments": json.dumps(call)}
        else:
            item = {"type": "message", "role": "assistant", "id": f"m{place}"}
            item |= {"content": [{"type": "output_text", "text": now.get("say") or now.get("ask")}]}
        usage = {"input_tokens": 1, "input_tokens_details": None, "output_tokens": 1}
        usage |= {"output_tokens_details": None, "total_tokens": 2}
        self.stream()
        self.event("response.created", response={"id": "r1"})
        self.event("response.output_item.done", output_index=0, item=item)
        self.event("response.completed", response={"id": "r1", "usage": usage})

    def chat(self, body):
        items = [(m["role"] == "user", texts(m["content"]), 0) for m in body.get("messages", [])]
        now = step(items)
        if self.wait(now):
            return
        text = now.get("say") or now.get("ask") or ""
        if "write" in now:
            text = f"{now['write']}\n```\n{now['text']}\n```\n"
        elif "run" in now:
            text = f"Run this:\n\n```bash\n{now['run']}\n```\n"
        head = {"id": "x", "created": 1, "model": body.get("model", "x")}
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            return self.answer(head | {"object": "chat.completion", "choices": [choice], "usage": usage})
        self.stream()
        for delta, reason in (({"role": "assistant", "content": text}, None), ({}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            chunk = head | {"object": "chat.completion.chunk", "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


main()
