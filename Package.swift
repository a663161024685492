// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "weir",
    products: [
        .library(name: "Weir", targets: ["Weir"]),
        .executable(name: "weir", targets: ["weir-program"]),
    ],
    traits: [
        .trait(name: "YAML", description: "Configuration files in YAML (libyaml); JSON is always understood."),
        .trait(name: "SQLite", description: "State in a file (libsqlite3)."),
        .trait(name: "PostgreSQL", description: "State that several nodes share (libpq)."),
        .trait(name: "Redis", description: "An index of downloads that several nodes share (libhiredis)."),
        .default(enabledTraits: ["YAML", "SQLite", "PostgreSQL", "Redis"]),
    ],
    targets: [
        .systemLibrary(
            name: "CLibuv", path: "Sources/CLibuv", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(
            name: "COpenSSL", path: "Sources/COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CYAML", path: "Sources/CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(
            name: "CSQLite", path: "Sources/CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(
            name: "CPostgreSQL", path: "Sources/CPostgreSQL", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        // Its pkg-config file has a flag that the package manager refuses with a warning.
        .systemLibrary(name: "CHiredis", path: "Sources/CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .target(
            name: "CWeir", dependencies: ["CLibuv"], path: ".", exclude: ["CSources/tls"], sources: ["CSources"],
            publicHeadersPath: "include",
            cSettings: [
                .headerSearchPath("CSources"), .define("_GNU_SOURCE"), .enableWarning("conversion"),
                .treatAllWarnings(as: .error),
            ]),
        .systemLibrary(
            name: "CCurl", path: "Sources/CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(
            name: "CWeirTLS", dependencies: ["CWeir", "COpenSSL"], path: "CSources/tls", publicHeadersPath: "include",
            cSettings: [
                .headerSearchPath(".."), .define("_GNU_SOURCE"), .enableWarning("conversion"),
                .treatAllWarnings(as: .error),
            ]),
        .target(
            name: "CWeirHTTP", dependencies: ["CWeir", "CCurl", "CLibuv"],
            cSettings: [.define("_GNU_SOURCE"), .enableWarning("conversion"), .treatAllWarnings(as: .error)]),
        .target(
            name: "CWeirStorage", dependencies: ["CLibuv", "COpenSSL"],
            cSettings: [.define("_GNU_SOURCE"), .enableWarning("conversion"), .treatAllWarnings(as: .error)]),
        .systemLibrary(
            name: "CDeflate", path: "Sources/CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
        .target(
            name: "CWeirDownloads", dependencies: ["CLibuv", "CDeflate", "CWeirHTTP"],
            cSettings: [.define("_GNU_SOURCE"), .enableWarning("conversion"), .treatAllWarnings(as: .error)]),
        .target(name: "WeirLoop", dependencies: ["CWeir", "CWeirTLS", "CLibuv"], swiftSettings: strict),
        .target(name: "WeirHTTP", dependencies: ["WeirLoop", "CWeirHTTP", "CCurl", "COpenSSL"], swiftSettings: strict),
        .target(name: "WeirLive", dependencies: ["WeirLoop", "WeirHTTP"], swiftSettings: strict),
        .target(
            name: "WeirStorage", dependencies: ["WeirHTTP", "WeirLoop", "CWeirStorage", "CLibuv"],
            swiftSettings: strict),
        .target(
            name: "WeirDatabase",
            dependencies: [
                "WeirLoop",
                .target(name: "CSQLite", condition: .when(traits: ["SQLite"])),
                .target(name: "CPostgreSQL", condition: .when(traits: ["PostgreSQL"])),
                .target(name: "CHiredis", condition: .when(traits: ["Redis"])),
            ],
            swiftSettings: strict),
        .target(
            name: "WeirMedia", dependencies: ["WeirStorage", "WeirDatabase", "WeirHTTP", "WeirLoop"],
            swiftSettings: strict),
        .target(
            name: "WeirDownloads",
            dependencies: [
                "WeirStorage", "WeirDatabase", "WeirHTTP", "WeirLoop", "CWeirDownloads", "CWeirHTTP", "CLibuv",
                "COpenSSL",
            ],
            swiftSettings: strict),
        .target(
            name: "Weir",
            dependencies: [
                "WeirLive", "WeirDownloads", "WeirMedia", "WeirStorage", "WeirDatabase", "WeirHTTP", "WeirLoop",
                "CDeflate",
                .target(name: "CYAML", condition: .when(traits: ["YAML"])),
            ],
            // The page's parts become constants of the program.
            resources: [
                "page.html", "page.css", "elements.js", "server.js", "player.js", "tables.js", "station.js", "media.js",
                "downloads.js",
                "page.js",
            ].map { .embedInCode("Page/\($0)") },
            swiftSettings: strict),
        .executableTarget(name: "weir-program", dependencies: ["Weir"], path: "Sources/weir", swiftSettings: strict),
        // A Bot API for tests and benchmarks: no part of any product.
        .target(
            name: "TelegramStandIn", dependencies: ["WeirHTTP", "WeirLoop", "COpenSSL"],
            path: "Tests/TelegramStandIn", swiftSettings: strict),
        .executableTarget(
            name: "telegram-stand-in", dependencies: ["TelegramStandIn", "WeirHTTP", "WeirLoop"],
            path: "Tests/telegram-stand-in", swiftSettings: strict),
        .testTarget(name: "WeirLoopTests", dependencies: ["WeirLoop"], swiftSettings: strict),
        .testTarget(
            name: "WeirHTTPTests", dependencies: ["WeirHTTP", "CWeirHTTP", "CCurl", "CLibuv", "COpenSSL"],
            swiftSettings: strict),
        .testTarget(name: "WeirLiveTests", dependencies: ["WeirLive"], swiftSettings: strict),
        .testTarget(
            name: "WeirStorageTests", dependencies: ["WeirStorage", "WeirHTTP", "WeirLoop"],
            exclude: ["NOTICE.md", "botocore_signatures.py", "sigv4_vectors.json"], swiftSettings: strict),
        // Killed by tests; in no product.
        .executableTarget(
            name: "weir-database-writer", dependencies: ["WeirDatabase", "WeirLoop", "CSQLite"],
            path: "Tests/DatabaseWriter", swiftSettings: strict),
        .testTarget(
            name: "WeirDatabaseTests", dependencies: ["WeirDatabase", "WeirLoop", "weir-database-writer"],
            swiftSettings: strict),
        .testTarget(
            name: "WeirMediaTests",
            dependencies: ["WeirMedia", "TelegramStandIn", "WeirStorage", "WeirDatabase", "WeirHTTP", "WeirLoop"],
            swiftSettings: strict),
        // Killed by tests; in no product.
        .executableTarget(
            name: "weir-download-filler", dependencies: ["WeirDownloads", "WeirStorage", "WeirDatabase", "WeirLoop"],
            path: "Tests/DownloadFiller", swiftSettings: strict),
        .testTarget(
            name: "WeirDownloadsTests",
            dependencies: [
                "WeirDownloads", "CWeirDownloads", "CWeirHTTP", "WeirStorage", "WeirDatabase", "WeirHTTP", "WeirLoop",
                "weir-download-filler",
            ],
            swiftSettings: strict),
        .testTarget(name: "WeirTests", dependencies: ["Weir", "WeirStorage", "WeirDatabase"], swiftSettings: strict),
        .testTarget(name: "EndToEnd", dependencies: ["Weir", "WeirHTTP", "WeirLoop"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
