#if Redis
    /// What is done in one step, by Lua in the server.
    ///
    /// - `weir:artefact:NODE KEY`: a hash, the row. `weir:artefacts:NODE`: its keys, sorted.
    /// - `weir:of:chapter:ID`, `weir:of:book:ID`, `weir:of:key:KEY`: what was built of it, as `NODE KEY`.
    enum RedisScripts {
        static let channel = "weir:invalidate"
        /// Keys in one message.
        static let batch = 1000

        static let fields = [
            "bytes", "crc32", "format", "chapters", "book", "cost", "hits", "created", "used",
        ]

        private static let drop = """
            local function drop(member)
              local node, key = string.match(member, '^(%S+) (%S+)$')
              if not node then return nil end
              local name = 'weir:artefact:' .. member
              local row = redis.call('HMGET', name, 'chapters', 'book')
              redis.call('SREM', 'weir:of:key:' .. key, member)
              if not row[1] then return nil end
              for id in string.gmatch(row[1], '[^\\n]+') do redis.call('SREM', 'weir:of:chapter:' .. id, member) end
              if row[2] and row[2] ~= '' then redis.call('SREM', 'weir:of:book:' .. row[2], member) end
              redis.call('DEL', name)
              redis.call('ZREM', 'weir:artefacts:' .. node, key)
              return node, key
            end

            """

        /// Node, key, then fields and values.
        static let record =
            drop + """
                local member = ARGV[1] .. ' ' .. ARGV[2]
                drop(member)
                local name = 'weir:artefact:' .. member
                for i = 3, #ARGV, 2 do redis.call('HSET', name, ARGV[i], ARGV[i + 1]) end
                local row = redis.call('HMGET', name, 'chapters', 'book')
                for id in string.gmatch(row[1], '[^\\n]+') do redis.call('SADD', 'weir:of:chapter:' .. id, member) end
                if row[2] ~= '' then redis.call('SADD', 'weir:of:book:' .. row[2], member) end
                redis.call('SADD', 'weir:of:key:' .. ARGV[2], member)
                redis.call('ZADD', 'weir:artefacts:' .. ARGV[1], 0, ARGV[2])
                return 1
                """

        /// Node and key. 1 when there was one.
        static let remove = drop + "return drop(ARGV[1] .. ' ' .. ARGV[2]) and 1 or 0"

        /// Node, the time, then keys and counts.
        static let touch = """
            for i = 3, #ARGV, 2 do
              local name = 'weir:artefact:' .. ARGV[1] .. ' ' .. ARGV[i]
              if redis.call('EXISTS', name) == 1 then
                redis.call('HINCRBY', name, 'hits', ARGV[i + 1])
                if tonumber(redis.call('HGET', name, 'used')) < tonumber(ARGV[2]) then
                  redis.call('HSET', name, 'used', ARGV[2])
                end
              end
            end
            return 1
            """

        /// Node, the key before, how many. Each row is its key and its fields.
        static let page = """
            local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
            local keys = redis.call('ZRANGEBYLEX', 'weir:artefacts:' .. ARGV[1], from, '+', 'LIMIT', 0, ARGV[3])
            local rows = {}
            for i, key in ipairs(keys) do
              rows[i] = redis.call('HMGET', 'weir:artefact:' .. ARGV[1] .. ' ' .. key, \(quotedFields))
              table.insert(rows[i], 1, key)
            end
            return rows
            """
        private static let quotedFields = fields.map { "'\($0)'" }.joined(separator: ", ")

        /// Node, then names such as `chapter:ID`. Removes rows and tells their nodes; the keys of this node's.
        static let invalidate =
            drop + """
                local gone = {}
                for i = 2, #ARGV do
                  for _, member in ipairs(redis.call('SMEMBERS', 'weir:of:' .. ARGV[i])) do
                    local node, key = drop(member)
                    if node then
                      gone[node] = gone[node] or {}
                      table.insert(gone[node], key)
                    else
                      redis.call('SREM', 'weir:of:' .. ARGV[i], member)
                    end
                  end
                end
                for node, keys in pairs(gone) do
                  if node ~= ARGV[1] then
                    for from = 1, #keys, \(batch) do
                      local to = math.min(from + \(batch - 1), #keys)
                      redis.call('PUBLISH', '\(channel)', node .. ' ' .. table.concat(keys, ' ', from, to))
                    end
                  end
                end
                return gone[ARGV[1]] or {}
                """

        /// `EVAL` without declared keys: one server, not a cluster.
        static func call(_ script: String, _ arguments: [String]) -> [String] { ["EVAL", script, "0"] + arguments }
    }
#endif
