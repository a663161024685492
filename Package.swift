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
        .default(enabledTraits: ["YAML"]),
    ],
    targets: [
        .systemLibrary(
            name: "CLibuv", path: "Sources/CLibuv", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(
            name: "CYAML", path: "Sources/CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(
            name: "CWeir", dependencies: ["CLibuv"], path: ".", sources: ["CSources"], publicHeadersPath: "include",
            cSettings: [
                .headerSearchPath("CSources"), .define("_GNU_SOURCE"), .enableWarning("conversion"),
                .treatAllWarnings(as: .error),
            ]),
        .target(name: "WeirLoop", dependencies: ["CWeir", "CLibuv"], swiftSettings: strict),
        .target(name: "WeirHTTP", dependencies: ["WeirLoop"], swiftSettings: strict),
        .target(name: "WeirLive", dependencies: ["WeirLoop", "WeirHTTP"], swiftSettings: strict),
        .target(
            name: "Weir",
            dependencies: [
                "WeirLive", "WeirHTTP", "WeirLoop", .target(name: "CYAML", condition: .when(traits: ["YAML"])),
            ],
            swiftSettings: strict),
        .executableTarget(name: "weir-program", dependencies: ["Weir"], path: "Sources/weir", swiftSettings: strict),
        .testTarget(name: "WeirLoopTests", dependencies: ["WeirLoop"], swiftSettings: strict),
        .testTarget(name: "WeirHTTPTests", dependencies: ["WeirHTTP"], swiftSettings: strict),
        .testTarget(name: "WeirLiveTests", dependencies: ["WeirLive"], swiftSettings: strict),
        .testTarget(name: "WeirTests", dependencies: ["Weir"], swiftSettings: strict),
        .testTarget(name: "EndToEnd", dependencies: ["Weir"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
